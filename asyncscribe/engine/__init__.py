"""One job and many: from a source to its transcript. Private to the library."""
