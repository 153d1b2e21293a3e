"""Numerical libraries kept to one thread, where their arrays are small."""

from threadpoolctl import threadpool_limits

# Decorator of functions of small arrays, for which threads take longer to wait for each other than to compute: 20 times
# on two busy cores.
one_thread = threadpool_limits.wrap(limits=1)
