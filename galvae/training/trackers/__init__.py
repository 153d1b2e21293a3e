"""Programs in which runs can be watched beside others: TensorBoard, Weights & Biases."""
