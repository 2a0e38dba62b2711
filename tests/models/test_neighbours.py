"""Libraries that few have installed: what was read in their sources, and run where they can be imported.

The tables say what each callable gives. The models must say the same, whether or not the library is there; where
it is, the tables themselves are checked: the names exist, factories make modules with weights, losses track.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from functools import cache

import pytest

pytest.importorskip("torch", reason="torch is not installed")

import numpy as np
import torch
from array_libraries import resolved
from observing import c, t
from torch import nn

from detachlint import models

MODELS = models.load()

# --- factories: what they give is a module with weights ---

TORCHVISION = """
get_model detection.* segmentation.* video.* alexnet googlenet inception_v3 vgg11 vgg13 vgg16 vgg19 vgg11_bn
vgg13_bn vgg16_bn vgg19_bn resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d
wide_resnet50_2 wide_resnet101_2 densenet121 densenet161 densenet169 densenet201 squeezenet1_0 squeezenet1_1
mobilenet_v2 mobilenet_v3_small mobilenet_v3_large shufflenet_v2_x1_0 mnasnet1_0 efficientnet_b0
efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6
efficientnet_b7 efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l convnext_tiny convnext_small
convnext_base convnext_large vit_b_16 vit_b_32 vit_l_16 vit_l_32 vit_h_14 swin_t swin_s swin_b swin_v2_t
swin_v2_s swin_v2_b maxvit_t regnet_y_400mf regnet_y_8gf regnet_x_400mf
"""
TRANSFORMERS = """
AutoModel AutoModelForCausalLM AutoModelForSequenceClassification AutoModelForTokenClassification
AutoModelForQuestionAnswering AutoModelForMaskedLM AutoModelForSeq2SeqLM AutoModelForMultipleChoice
AutoModelForImageClassification AutoModelForObjectDetection AutoModelForSemanticSegmentation
AutoModelForAudioClassification AutoModelForSpeechSeq2Seq AutoModelForVision2Seq AutoModelForImageTextToText
PreTrainedModel BertModel BertForSequenceClassification BertForMaskedLM RobertaModel
RobertaForSequenceClassification DistilBertModel DistilBertForSequenceClassification GPT2Model
GPT2LMHeadModel LlamaForCausalLM T5ForConditionalGeneration BartForConditionalGeneration ViTModel
ViTForImageClassification CLIPModel CLIPTextModel CLIPVisionModel WhisperForConditionalGeneration
Wav2Vec2Model Wav2Vec2ForCTC
"""
TRANSFORMERS_BY_CONFIG = """
AutoModel AutoModelForCausalLM AutoModelForSequenceClassification AutoModelForMaskedLM AutoModelForSeq2SeqLM
AutoModelForTokenClassification
"""
DIFFUSERS = """
AutoencoderKL UNet2DConditionModel UNet2DModel ControlNetModel ModelMixin Transformer2DModel
"""
DIFFUSERS_MADE = """
UNet2DModel UNet2DConditionModel AutoencoderKL
"""
SEGMENTATION = """
create_model Unet UnetPlusPlus MAnet Linknet FPN PSPNet PAN DeepLabV3 DeepLabV3Plus UPerNet Segformer DPT
"""
TRANSFORMS = """
resize normalize crop center_crop hflip vflip pad rotate affine gaussian_blur rgb_to_grayscale
"""
KORNIA = """
losses.ssim_loss losses.focal_loss losses.dice_loss losses.total_variation losses.psnr_loss filters.*
color.* geometry.*
"""
GRAPHS = """
GCNConv GATConv GATv2Conv SAGEConv GINConv GraphConv ChebConv TransformerConv SGConv ARMAConv APPNP EdgeConv
NNConv RGCNConv Linear
"""
MODULES = {
    **{f"torchvision.models.{name}": "" for name in TORCHVISION.split()},
    **{f"transformers.{name}.from_pretrained": "" for name in TRANSFORMERS.split()},
    **{f"transformers.{name}.from_config": "" for name in TRANSFORMERS_BY_CONFIG.split()},
    **{f"diffusers.{name}.from_pretrained": "" for name in DIFFUSERS.split()},
    **{f"diffusers.{name}": "" for name in DIFFUSERS_MADE.split()},
    **{f"segmentation_models_pytorch.{name}": "" for name in SEGMENTATION.split()},
    **dict.fromkeys(("timm.create_model", "timm.models.create_model", "torch.hub.load"), ""),
}
RESULTS = {
    **dict.fromkeys(MODULES, "module"),
    **{f"torchvision.models.{name}": "plain" for name in ("list_models", "get_weight", "get_model_weights")},
    **{f"torchvision.transforms.functional.{name}": "derived" for name in TRANSFORMS.split()},
    **{f"kornia.{name}": "derived" for name in KORNIA.split()},
    **{f"kornia.{place}tensor_to_image": "numpy.ndarray" for place in ("", "utils.", "image.")},
    **{f"torch_geometric.nn.global_{name}_pool": "derived" for name in ("mean", "add", "max")},
    **{f"horovod.torch.{name}": "derived" for name in ("allreduce", "allgather", "broadcast")},
    "torchvision.models.__dict__": "module",
    "horovod.torch.DistributedOptimizer": "argument",
    "transformers.PreTrainedModel.generate": "cut",
    "sentence_transformers.SentenceTransformer.encode": "plain",
    "peft.get_peft_model": "argument",
    "peft.prepare_model_for_kbit_training": "argument",
    "peft.PeftModel.from_pretrained": "argument",
    "apex.amp.scale_loss": "arguments",
    "apex.amp.initialize": "arguments",
    "deepspeed.initialize": ("deepspeed.DeepSpeedEngine", "unknown", "unknown", "unknown"),
    "deepspeed.DeepSpeedEngine.backward": "backward",
}
DETACHING = {
    "torchvision.utils.make_grid": "cut",
    "torchvision.utils.draw_bounding_boxes": "cut",
    "torchvision.utils.save_image": "none",
    "torchvision.transforms.functional.to_pil_image": "plain",
}
CLASSES = (
    *("transformers.PreTrainedModel", "diffusers.ModelMixin", "sentence_transformers.SentenceTransformer"),
    *(f"torch_geometric.nn.{name}" for name in GRAPHS.split()),
    "deepspeed.DeepSpeedEngine",
)
# The newest version dropped the name or moved it to another base, or a module has the class's name.
DROPPED = frozenset(
    {
        "transformers.AutoModelForVision2Seq.from_pretrained",
        "transformers.PreTrainedModel.generate",
        "sentence_transformers.SentenceTransformer.encode",
    }
)


@pytest.mark.parametrize("name", RESULTS)
def test_results(name):
    assert MODELS.call(name).result == RESULTS[name]
    assert MODELS.call(name).sink is None


@pytest.mark.parametrize("name", DETACHING)
def test_what_detaches_by_itself(name):
    assert MODELS.call(name).result == DETACHING[name]
    assert MODELS.call(name).sink == "detaches"


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name):
    model = MODELS.klass(name)
    assert model.kind == "module"
    assert model.parameters
    assert model.call is None
    assert [base.name for base in MODELS.lineage(name)] == [name, "torch.nn.Module"]


def test_names_of_packages():
    for name in ("segmentation_models_pytorch.decoders.Unet", "segmentation_models_pytorch.Unet"):
        assert MODELS.canonical(name) == "segmentation_models_pytorch.Unet"


@pytest.mark.parametrize("package", sorted({name.partition(".")[0] for name in (*RESULTS, *CLASSES)}))
def test_the_names_exist(package):
    _library(package)
    names = [name for name in (*RESULTS, *CLASSES, *DETACHING) if name.startswith(f"{package}.")]
    missing = [name for name in names if not name.endswith(".*") and resolved(name) is None]
    assert set(missing) - DROPPED == set()
    for name in CLASSES:
        if name.startswith(f"{package}.") and inspect.isclass(resolved(name)):
            assert issubclass(resolved(name), nn.Module)


def _library(package):
    """The library, or a skip with the reason; some are there and can't be loaded beside this torch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(package)
        except (ImportError, RuntimeError) as error:
            pytest.skip(f"{package} can't be imported: {str(error)[:80]}")


@pytest.mark.parametrize("name", [n for n in TORCHVISION.split() if "*" not in n and n != "get_model"])
def test_torchvision_makes_modules(name):
    _library("torchvision")
    with torch.device("meta"):
        made = resolved(f"torchvision.models.{name}")(weights=None)
    assert all(parameter.requires_grad for parameter in made.parameters())


@pytest.mark.filterwarnings("ignore")
def test_the_trainer_of_transformers_backpropagates_what_compute_loss_gives():
    trainer = _library("transformers").Trainer
    names = trainer.training_step.__code__.co_names
    assert names.index("compute_loss") < names.index("backward")


def test_what_is_said_of_trainers():
    trainer = MODELS.klass("transformers.Trainer")
    assert (trainer.kind, trainer.backward, trainer.bases) == ("object", {"compute_loss"}, ())


@pytest.mark.filterwarnings("ignore")
def test_transformers():
    transformers = _library("transformers")
    config = transformers.BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=10
    )
    made = transformers.AutoModel.from_config(config)
    assert isinstance(made, transformers.PreTrainedModel)
    assert made(torch.tensor([[1, 2]])).last_hidden_state.requires_grad
    for name in TRANSFORMERS.split():
        found = getattr(transformers, name, None)
        automatic = name.startswith("Auto")
        assert found is None or automatic or issubclass(found, transformers.PreTrainedModel)
    llama = transformers.LlamaConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, vocab_size=10
    )
    generated = transformers.LlamaForCausalLM(llama).generate(torch.tensor([[1]]), max_new_tokens=1)
    assert not generated.requires_grad


@cache
def _losses():
    image = t(1, 3, 16, 16)
    return {
        "losses.ssim_loss": (image, c(1, 3, 16, 16), 5),
        "losses.psnr_loss": (image, c(1, 3, 16, 16), 1.0),
        "losses.total_variation": (image,),
        "losses.dice_loss": (image, torch.zeros(1, 16, 16, dtype=torch.long)),
        "losses.focal_loss": (image, torch.zeros(1, 16, 16, dtype=torch.long), 0.5),
        "filters.gaussian_blur2d": (image, (3, 3), (1.0, 1.0)),
        "color.rgb_to_grayscale": (image,),
        "geometry.resize": (image, (8, 8)),
    }


@pytest.mark.filterwarnings("ignore")
def test_kornia():
    kornia = _library("kornia")
    for name, arguments in _losses().items():
        assert resolved(f"kornia.{name}")(*arguments).requires_grad, name
    assert isinstance(kornia.image.tensor_to_image(t(1, 3, 4, 4)), np.ndarray)  # it detaches by itself


@pytest.mark.filterwarnings("ignore")
def test_graphs():
    nets = _library("torch_geometric.nn")
    nodes, edges = c(3, 4), torch.tensor([[0, 1], [1, 2]])
    for name in ("GCNConv", "GATConv", "SAGEConv", "GraphConv", "SGConv", "TransformerConv"):
        assert getattr(nets, name)(4, 2)(nodes, edges).requires_grad
    for name in ("mean", "add", "max"):
        pooled = getattr(nets, f"global_{name}_pool")(t(3, 4), torch.tensor([0, 0, 1]))
        assert pooled.requires_grad
        assert inspect.isfunction(getattr(nets, f"global_{name}_pool"))
