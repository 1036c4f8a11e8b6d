"""What two configurations will make of each other: `seikan check A B`, from the files alone."""
