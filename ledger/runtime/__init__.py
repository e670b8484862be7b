"""Steps and pipelines: graphs of inert values, planned purely and run in order. Nothing is here yet."""
