"""Where things are kept: rows, blobs, keys, jobs, and the one door to the outside; one interface each."""
