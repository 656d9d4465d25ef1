"""What `dfl-actors tail` shows: messages as they come, and the life of one transaction."""
