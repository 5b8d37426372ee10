"""Where limits are counted, one adapter each; the only place that imports their driver."""
