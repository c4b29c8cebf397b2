"""What needs a library that may not be there: a module each, imported when it is measured."""
