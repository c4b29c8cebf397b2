"""The endpoints: from a request to a response, whatever comes."""
