"""What must hold when a process dies or a neighbour is away."""
