"""What tools/bench.sh measures: shapes of frames, and how fast the GPU is."""
import collections

# A case: `program` of guest/programs/bench with `flags` and --frames=`frames`
# (some 0.7 s of them), on a GPU that needs `submission_us` for each submission.
# `target` is the frame rate, as a part of the native one, that is to be
# reached; None: there is none, the figure is for information.
Case = collections.namedtuple(
    "Case", "name program flags frames submission_us target")

CASES = (
    # The GPU has work all the time: its speed is what counts.
    Case("gpu-bound-gles", "gles_bench", (), 350, 2000, 0.99),
    Case("gpu-bound-vulkan", "vulkan_bench", (), 350, 2000, 0.99),
    # Frames that allocate, map, fill, copy and release buffers in the middle.
    Case("cache-misses-gles", "gles_bench", ("--fresh=2",), 700, 1000, 0.99),
    Case("cache-misses-vulkan", "vulkan_bench", ("--fresh=4",), 700, 1000, 0.99),
    # 32 submits a frame; then on a GPU that takes no time, so that all of the
    # time is the way to it.
    Case("small-submits-gles", "gles_bench", ("--submits=32",), 400, 50, 0.90),
    Case("small-submits-vulkan", "vulkan_bench", ("--submits=32",), 400, 50, 0.90),
    Case("small-submits-instant", "vulkan_bench", ("--submits=32",), 2000, 0, None),
    # Submit, wait, repeat: nothing hides the way there and back.
    Case("ping-pong-gles", "gles_bench", ("--under-way=1",), 3000, 100, None),
    Case("ping-pong-vulkan", "vulkan_bench", ("--under-way=1",), 3000, 100, None),
    # As many frames from 1 to 64 contexts at once.
    *(Case(f"contexts-{n}", "vulkan_bench", (f"--contexts={n}",), 6000, 100, None)
      for n in (1, 4, 16, 64)),
    # Submits that name so many buffers.
    *(Case(f"buffers-{n}", "vulkan_bench", (f"--buffers={n}",), 1400, 500, None)
      for n in (1, 16, 128, 512, 2048)),
)
