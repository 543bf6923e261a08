"""The operations under the losses: sums over keys in bounded memory, a gather with gradients."""
