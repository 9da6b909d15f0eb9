"""One answer to each exercise, close to the lab's own code. The files above are made from these."""
