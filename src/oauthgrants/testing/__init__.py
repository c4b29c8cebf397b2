"""What tests of the host build on. Of the library, only the command line imports it."""
