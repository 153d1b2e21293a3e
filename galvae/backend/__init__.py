"""The only package that knows TensorFlow from JAX."""
