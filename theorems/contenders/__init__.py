"""What the exact solutions are measured against, each written as its own library wants it; and our side, `ours`."""
