"""Models of the API's data: strict for requests, tolerant for answers."""
