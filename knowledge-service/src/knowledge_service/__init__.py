"""Documents, retrieval over their passages, and answers that cite them."""
