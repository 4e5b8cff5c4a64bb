"""What is looked up for a run: pages, searches and databases, and the documents that were given."""
