"""docs/data.md's config for a folder of one's own reads one, and its student has its classes."""

from mmengine.config import Config
from mmseg.registry import DATASETS
from support.made_data import make_data
from support.pages import configs_shown
from support.repository import REPO


def test_the_config_reads_a_folder(tmp_path, scope):
    file = tmp_path / 'own_folder.py'
    file.write_text(configs_shown(REPO / 'docs/data.md')[file.name])
    cfg = Config.fromfile(file)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_root == 'data/leaves'
        loader.dataset.data_root = str(make_data(tmp_path / str(id(loader))) / 'voc')
        data = DATASETS.build(loader.dataset)
        assert len(data) == 4
        assert data.metainfo['classes'] == cfg.classes
        assert data[0]['inputs'].shape == (3, 128, 128)
    student = cfg.model.student
    assert tuple(student.data_preprocessor.size) == (128, 128)
    heads = (student.decode_head, student.auxiliary_head)
    assert [head.num_classes for head in heads] == [len(cfg.classes)] * 2
