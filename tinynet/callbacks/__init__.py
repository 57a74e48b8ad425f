"""What `fit` calls as it goes: at the start and the end of training, of every epoch and of every batch."""

from tinynet.callbacks.backup import BackupAndRestore
from tinynet.callbacks.base import Callback, CallbackList
from tinynet.callbacks.checkpoint import ModelCheckpoint
from tinynet.callbacks.csv_logger import CSVLogger
from tinynet.callbacks.early_stopping import EarlyStopping
from tinynet.callbacks.history import History
from tinynet.callbacks.lambdas import LambdaCallback
from tinynet.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from tinynet.callbacks.terminate import TerminateOnNaN, TrainingDiverged

__all__ = ["BackupAndRestore", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History", "LambdaCallback",
           "LearningRateScheduler", "ModelCheckpoint", "ReduceLROnPlateau", "TerminateOnNaN",
           "TrainingDiverged"]
