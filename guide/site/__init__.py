"""The guide and the reference as web pages: `make site`."""
