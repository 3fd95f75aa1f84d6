"""Scores as ``torchmetrics.Metric`` classes, each beside the plain function it averages."""
