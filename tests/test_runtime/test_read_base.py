"""New-style configs inherit recipes, which are written in the old style."""

import pytest
from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError
from support.repository import ICKD, REPO

from ickd_mm import ConvConnector, ICKDLoss

MODULE = '.'.join(ICKD.relative_to(REPO / 'configs').with_suffix('').parts)
HEIR = f"""
from mmengine.config import read_base

with read_base():
    from ickd_mm.configs.{MODULE} import *

from ickd_mm import ICKDLoss

model.pairs.loss_icc.loss.update(type=ICKDLoss, grid=4)
train_cfg.max_iters = 2
"""


def read(tmp_path, text):
    (tmp_path / 'heir.py').write_text(text)
    return Config.fromfile(tmp_path / 'heir.py')


def test_an_heir_has_the_recipe_and_its_own_values(tmp_path):
    cfg, recipe = read(tmp_path, HEIR), Config.fromfile(ICKD)
    loss = cfg.model.pairs.loss_icc.loss
    assert (loss.type, loss.grid, cfg.train_cfg.max_iters) == (ICKDLoss, 4, 2)
    recipe.model.pairs.loss_icc.loss.grid = 4
    recipe.train_cfg.max_iters = 2
    assert cfg.to_dict() == recipe.to_dict()


def test_an_heir_of_the_heir(tmp_path):
    (tmp_path / 'parent.py').write_text(HEIR)
    text = 'from mmengine.config import read_base\nwith read_base():\n    from .parent import *\n'
    text += 'from ickd_mm import ConvConnector\n'
    text += 'model.pairs.loss_icc.connector.type = ConvConnector\n'
    pair = read(tmp_path, text).model.pairs.loss_icc
    assert (pair.connector.type, pair.loss.type) == (ConvConnector, ICKDLoss)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(ConfigParsingError, match=r'no_such_recipe\.py not found'):
        read(tmp_path, HEIR.replace(MODULE, 'no_such_recipe'))


def test_other_files_keep_to_their_style(tmp_path):
    (tmp_path / 'old.py').write_text("_base_ = 'other.py'\n")
    with pytest.raises(ConfigParsingError, match='inheritance chain'):
        read(tmp_path, HEIR.replace(f'ickd_mm.configs.{MODULE}', '.old'))
