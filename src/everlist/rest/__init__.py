"""What the JSON edges share, V3 and our own: requests in, JSON and errors out."""
