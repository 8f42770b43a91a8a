"""Search for an activation function: operations, cells, networks and the search."""
