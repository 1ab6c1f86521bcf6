"""The schema service: documents of every type through one generic client."""
