"""Results as the course printed them, on stdout."""


def print_top(probabilities, names, top):
    """For each picture its number, then its `top` most probable names.

    probabilities: array [n, classes]; names: one for each class.
    """
    for number, row in enumerate(probabilities):
        print(f"Image {number}")
        for label in (-row).argsort(kind="stable")[:top]:
            print(f"{names[label]}: {row[label]:.3f}")
        print()


def print_epoch(epoch, seconds, loss, accuracy):
    """One epoch of training, numbered from 1, with its loss and accuracy on validation."""
    print(f"Epoch {epoch}")
    print(f"Time: {seconds:.3f} seconds")
    print(f"Validation Loss = {loss:.6f}")
    print(f"Validation Accuracy = {accuracy:.6f}")
    print(flush=True)
