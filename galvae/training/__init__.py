"""Training: the loop, the callbacks that accompany it, and the figures at its end."""
