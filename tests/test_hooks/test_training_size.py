"""The size of the images that a run really trains on."""

from types import SimpleNamespace

from torch.utils.data import DataLoader, IterableDataset

from ickd_mm.hooks.training_size import TrainingSizeHook


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


def test_a_stream_has_no_first_sample_to_look_at():
    model = SimpleNamespace(check_size=None)
    TrainingSizeHook().before_train(
        SimpleNamespace(train_dataloader=DataLoader(Stream()), model=model)
    )
