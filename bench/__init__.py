"""What Seikan carries and how fast it negotiates, measured beside other VPNs in the same run."""
