"""A folder becomes a table, the table becomes batches."""
