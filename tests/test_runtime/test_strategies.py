"""FlexibleRunner and strategies: a distiller is refused, whoever starts the run."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import FlexibleRunner, Runner
from support.repository import ICKD, STUDENT, data_options
from support.tools import succeed, train

from ickd_mm.preflight.config_keys import runner_class

REFUSED = (
    ' cannot train a distiller: its checkpoints would hold connectors and need unpickling, '
    'teacher_val and finite_check would do nothing. Leave runner_type and strategy out; '
    'tools/dist_train.sh trains on several GPUs, by DDP'
)


@pytest.fixture
def flexible(distiller_cfg, digits, tmp_path, monkeypatch):
    """Build a FlexibleRunner for the distilled digits, as mmseg's own tool does."""
    monkeypatch.setattr('mmengine._strategy.base.collect_env', dict)  # imports torchvision
    cfg = Config.fromfile(ICKD)
    cfg.merge_from_dict(dict(option.split('=', 1) for option in data_options(digits)[:3]))
    cfg.train_cfg.update(max_iters=2, val_interval=2)
    cfg.default_hooks.checkpoint.save_best = None  # mmengine's val() fails with it

    def build(strategy):
        own = dict(runner_type='FlexibleRunner', strategy=dict(type=strategy))
        own.update(env_cfg={}, work_dir=str(tmp_path), experiment_name=f'{tmp_path} {strategy}')
        cfg.merge_from_dict(own)
        cfg.model = distiller_cfg
        return RUNNERS.build(cfg)

    return build


@pytest.fixture
def group(tmp_path):
    """One process that is a whole group."""
    init = f'file://{tmp_path / "store"}'
    torch.distributed.init_process_group('gloo', init_method=init, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize('strategy', ['SingleDeviceStrategy', 'DDPStrategy', 'FSDPStrategy'])
def test_every_strategy_refuses_it(flexible, group, strategy):
    runner = flexible(strategy)
    with pytest.raises(ValueError, match='cannot train a distiller') as caught:
        runner.train()
    assert str(caught.value) == f'FlexibleRunner ({strategy}){REFUSED}'


def test_evaluating_is_not_refused(flexible):
    scores = flexible('SingleDeviceStrategy').val()
    assert 'mIoU' in scores


class MyRunner(Runner):
    """A user's own."""


@pytest.mark.parametrize(
    ('config', 'keys', 'message'),
    [
        (ICKD, dict(runner_type='FlexibleRunner'), f"runner_type = 'FlexibleRunner'{REFUSED}"),
        (ICKD, dict(runner_type=FlexibleRunner), f"runner_type = 'FlexibleRunner'{REFUSED}"),
        (
            STUDENT,
            dict(runner_type='FlexibelRunner'),
            "runner_type = 'FlexibelRunner' is not registered: leave it out, or import the module "
            'that registers it by custom_imports',
        ),
        (
            ICKD,
            dict(strategy=dict(type='DeepSpeedStrategy')),
            "strategy = 'DeepSpeedStrategy' is set, but Runner reads none: leave it out",
        ),
        (
            STUDENT,
            dict(runner_type=MyRunner, strategy=dict(type='DDPStrategy')),
            "strategy = 'DDPStrategy' is set, but MyRunner reads none: leave it out, or set "
            "runner_type='FlexibleRunner'",
        ),
    ],
)
def test_what_would_be_ignored_or_broken(config, keys, message):
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(keys)
    with pytest.raises((KeyError, ValueError)) as caught:
        runner_class(cfg)
    assert caught.value.args[0] == message


@pytest.mark.parametrize(
    ('config', 'keys', 'kind'),
    [
        (ICKD, {}, Runner),
        (ICKD, dict(runner_type=MyRunner), MyRunner),
        (STUDENT, dict(runner_type='mmengine.FlexibleRunner', strategy={}), FlexibleRunner),
    ],
)
def test_who_trains(config, keys, kind):
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(keys)
    assert runner_class(cfg) is kind


@pytest.mark.slow
def test_train_py_takes_the_runner_that_the_config_names(digits, teacher_file, tmp_path):
    short = [*data_options(digits), 'runner_type=FlexibleRunner', 'train_cfg.max_iters=2']
    alone = ('strategy.type=SingleDeviceStrategy', 'train_cfg.val_interval=2')
    (tmp_path / 'own.py').write_text(f'_base_ = {str(STUDENT)!r}\nenv_cfg = dict()\n')
    done = succeed(train(tmp_path / 'own.py', tmp_path / 'plain', *short, *alone))
    assert 'SingleDeviceStrategy' in done.stdout
    assert 'mIoU' in done.stdout
    done = train(ICKD, tmp_path / 'distilled', *short, f'model.teacher_ckpt={teacher_file}')
    assert done.returncode != 0
    assert done.stderr.splitlines()[-1] == f"ValueError: runner_type = 'FlexibleRunner'{REFUSED}"
    assert 'Iter(train)' not in done.stdout
