"""How to reach every sink that the models name: one call of the real library for each.

`v` is a vector, `n` a single number, `m` a square matrix, all three tracked. Names not found here are tried with
the arguments of GUESSES, the first that fits.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import torch

X = np.arange(4)
LABELS = np.array([0, 1, 0, 1])

BARE = (
    lambda v, n, m: (v,),
    lambda v, n, m: (v, v),
    lambda v, n, m: (m,),
    lambda v, n, m: (LABELS, v),
    lambda v, n, m: (LABELS, v.round()),
    lambda v, n, m: (m, m),
    lambda v, n, m: (m, 2),
    lambda v, n, m: (v, 1),
    lambda v, n, m: (n,),
    lambda v, n, m: (n, n),
    lambda v, n, m: (v, v, v),
    lambda v, n, m: (m, v),
    lambda v, n, m: (v, 0, 1),
    lambda v, n, m: (m, 0, 1),
    lambda v, n, m: (v, (2, 2)),
    lambda v, n, m: ("i,i->", v, v),
    lambda v, n, m: (v > 0.3, v, v),
    lambda v, n, m: (v, [v > 0.3], [v]),
    lambda v, n, m: (X.copy(), 0, n),
    lambda v, n, m: (X.copy(), X > 1, v),
    lambda v, n, m: (X.astype(float), v),
    lambda v, n, m: (4, v / v.sum()),
    lambda v, n, m: (1, v / v.sum()),
    lambda v, n, m: (X, v, v),
    lambda v, n, m: (X, X, m),
    lambda v, n, m: (m, m, m),
    lambda v, n, m: (n, 0, 1),
    lambda v, n, m: (0.5, n),
    lambda v, n, m: (v, v, v, v),
    lambda v, n, m: (v[:1], v[:1]),
    lambda v, n, m: (np.eye(4), v),
    lambda v, n, m: (np.eye(4), m),
    lambda v, n, m: (np.eye(4)[:, :2].astype(int), m[:, :2]),
    lambda v, n, m: (v, 0.5),
    lambda v, n, m: (LABELS, v, 1),
    lambda v, n, m: (m + m.T + 4 * torch.eye(4),),
)
LISTS = (
    lambda v, n, m: ([v, v],),
    lambda v, n, m: ([n, n],),
    lambda v, n, m: ([1, 2], [n, n]),
    lambda v, n, m: ([m, m],),
)
GUESSES = (*BARE, *LISTS)

SCRATCH = Path(tempfile.mkdtemp(prefix="detachlint-models-"))

# Arguments that no guess finds: keyword-only ones, files, shapes that must agree.
ARGUMENTS = {
    "numpy.full": lambda v, n, m: (3, n),
    "numpy.full_like": lambda v, n, m: (X.copy(), n),
    "numpy.save": lambda v, n, m: (io.BytesIO(), v),
    "numpy.savetxt": lambda v, n, m: (io.StringIO(), v),
    "numpy.savez": lambda v, n, m: (io.BytesIO(), v),
    "numpy.savez_compressed": lambda v, n, m: (io.BytesIO(), v),
    "numpy.fill_diagonal": lambda v, n, m: (np.eye(4), n),
    "numpy.random.multivariate_normal": lambda v, n, m: (v, np.eye(4)),
    "numpy.random.Generator.multivariate_normal": lambda v, n, m: (v, np.eye(4)),
    "numpy.random.choice": lambda v, n, m: (v,),
    "numpy.random.Generator.choice": lambda v, n, m: (v,),
    "numpy.ndarray.dot": lambda v, n, m: (np.ones(4), v),
    "numpy.ndarray.searchsorted": lambda v, n, m: (X, v),
    "matplotlib.axes.Axes.axline": lambda v, n, m: ([n, n], [n, 1]),
    "matplotlib.axes.Axes.arrow": lambda v, n, m: (n, n, n, n),
    "matplotlib.axes.Axes.broken_barh": lambda v, n, m: ([(n, 1)], (0, 1)),
    "matplotlib.axes.Axes.streamplot": lambda v, n, m: (X.copy(), X.copy(), m, m),
    "matplotlib.axes.Axes.acorr": lambda v, n, m: (v.repeat(4),),
    "matplotlib.axes.Axes.xcorr": lambda v, n, m: (v.repeat(4), v.repeat(4)),
    "matplotlib.axes.Axes.cohere": lambda v, n, m: (v.repeat(300), v.repeat(300)),
    "matplotlib.pyplot.imsave": lambda v, n, m: (SCRATCH / "image.png", m),
    "scipy.io.savemat": lambda v, n, m: (io.BytesIO(), {"a": v}),
    "scipy.signal.savgol_filter": lambda v, n, m: (v, 3, 1),
    "scipy.signal.sosfilt": lambda v, n, m: (np.array([[1.0, 0, 0, 1, 0, 0]]), v),
    "scipy.signal.sosfiltfilt": lambda v, n, m: (np.array([[1.0, 0, 0, 1, 0, 0]]), v, -1, "odd", 0),
    "scipy.signal.filtfilt": lambda v, n, m: ([1.0, 0.5], [1.0, 0.5], v, -1, "odd", 0),
    "numpy.linalg.cross": lambda v, n, m: (v[:3], v[:3]),
    "scipy.signal.decimate": lambda v, n, m: (v.repeat(16), 2),
    "scipy.signal.lfilter": lambda v, n, m: ([1.0], [1.0], v),
    "scipy.ndimage.rotate": lambda v, n, m: (m, 45),
    "scipy.ndimage.zoom": lambda v, n, m: (m, 2),
    "scipy.ndimage.map_coordinates": lambda v, n, m: (m, [[0, 1], [0, 1]]),
    "scipy.interpolate.griddata": lambda v, n, m: (X, v, X),
    "scipy.interpolate.interp1d": lambda v, n, m: (X, v),
    "scipy.interpolate.CubicSpline": lambda v, n, m: (X, v),
    "scipy.linalg.block_diag": lambda v, n, m: (m, m),
    "scipy.linalg.fractional_matrix_power": lambda v, n, m: (m, 0.5),
    "scipy.linalg.solve_triangular": lambda v, n, m: (m, X),
    "scipy.linalg.schur": lambda v, n, m: (m,),
    "scipy.linalg.lu_factor": lambda v, n, m: (m + 4 * torch.eye(4),),
    "scipy.optimize.linprog": lambda v, n, m: (v,),
    "scipy.signal.istft": lambda v, n, m: (m,),
}

PANDAS = {
    "pandas.DataFrame": lambda v, n, m: (m,),
    "pandas.Series": lambda v, n, m: (v,),
    "polars.Series": lambda v, n, m: (v,),
    "polars.DataFrame": lambda v, n, m: ({"a": v},),
}

# They wait for a person, change how everything after them behaves, read or write files.
NOT_CALLED = frozenset(
    """
    numpy.fromfile numpy.load numpy.loadtxt numpy.memmap numpy.open_memmap numpy.save numpy.savetxt numpy.savez
    numpy.savez_compressed numpy.set_printoptions numpy.setbufsize numpy.seterr numpy.seterrcall
    numpy.show_config numpy.show_runtime numpy.test numpy.info numpy.linalg.test numpy.fft.test
    matplotlib.axes.Axes.draw matplotlib.axes.Axes.remove matplotlib.axes.Axes.set_figure
    matplotlib.pyplot.show matplotlib.pyplot.pause matplotlib.pyplot.ginput
    matplotlib.pyplot.waitforbuttonpress matplotlib.pyplot.savefig matplotlib.pyplot.switch_backend
    matplotlib.pyplot.ion matplotlib.pyplot.ioff matplotlib.pyplot.install_repl_displayhook
    matplotlib.pyplot.uninstall_repl_displayhook matplotlib.pyplot.rc matplotlib.pyplot.rcdefaults
    matplotlib.pyplot.rc_context matplotlib.pyplot.style matplotlib.pyplot.xkcd matplotlib.pyplot.set_loglevel
    matplotlib.pyplot.subplots matplotlib.pyplot.subplot_mosaic matplotlib.pyplot.figure
    scipy.optimize.shgo seaborn.dogplot seaborn.miscplot
    """.split()
)

# They refuse a tensor, or the fourth argument of something, where no tracked tensor is ever given; or what they do
# with one has a better name.
NO_SINKS = {
    **dict.fromkeys(("numpy.squeeze", "numpy.real", "numpy.imag"), "hand a bare tensor back, tracked"),
    "matplotlib.axes.Axes.apply_aspect": "what the drawing calls",
    "matplotlib.axes.Axes.convert_xunits": "what the drawing calls",
    "matplotlib.axes.Axes.convert_yunits": "what the drawing calls",
    "matplotlib.axes.Axes.format_cursor_data": "what the window calls",
    "matplotlib.axes.Axes.inset_axes": "takes a place, no data",
    "matplotlib.pyplot.axes": "takes a place, no data",
}

# Sinks of libraries that no test can run here, with the reason.
NOT_RUN = {
    "absl": "absl's log calls are logging's",
    "cloudpickle": "pickles like pickle",
    "dill": "pickles like pickle",
    "logging.LoggerAdapter": "passes on to logging.Logger",
    "tqdm.tqdm_notebook": "needs a notebook; a subclass of tqdm",
    "tqdm.trange": "trange() returns a tqdm",
    "torch.Tensor.__reduce_ex__": "what pickle calls",
    "torchvision": "its compiled operators do not load beside every torch",
    "lightning.fabric": "needs a strategy of its own; measured by hand",
    "lightning.pytorch.loggers": "measured by hand",
    "accelerate": "measured by hand with the TensorBoard tracker",
    "wandb.log": "needs its service process; measured offline",
    "wandb.Run.log": "needs its service process; measured offline",
    "mlflow.MlflowClient": "what mlflow.log_metric calls",
    "mlflow.tracking.MlflowClient": "what mlflow.log_metric calls",
    "mlflow.log_params": "log_param of each",
    "torch.utils.tensorboard.SummaryWriter.add_video": "needs moviepy",
    "torch.utils.tensorboard.SummaryWriter.add_image_with_boxes": "draws like add_image",
    "torch.utils.tensorboard.SummaryWriter.add_embedding": "writes like add_histogram, needs an image library",
    "multiprocessing": "run in test_sinks",
}
