"""Small real images in folders, and tools called in the test process."""

from small_images import digits_folder, own_environment, run_tool  # noqa: F401
