#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/weights/key_rules.h"

/// The layouts that we know. "Ours" are the official keys, `backbone.…`, `encoder.…`, `decoder.…`, except where a
/// model follows Ultralytics' graph: `model.0.…`.
namespace rtdetr {

/// Ours as they are, without tables that follow from the picture's size.
const KeyLayout& our_layout();

enum class OfficialVersion { kV1, kV2 };

/// RTDetrForObjectDetection and RTDetrV2ForObjectDetection of transformers, both generations of names, and backbones
/// that timm lent. What is written are the published names.
const KeyLayout& hugging_face_layout(OfficialVersion version);
/// DFineForObjectDetection of transformers, both generations of names. Its `up` and `reg_scale` are the decoder's
/// (`decoder.decoder.…`), which the official code has twice.
const KeyLayout& hugging_face_dfine_layout();
/// v1's names beside v2's, which are "ours" here.
const KeyLayout& v1_beside_v2_layout();

/// ImageNet backbones as the official code stores them: ours without `backbone.`, no classifier.
const KeyLayout& storage_backbone_layout();
/// torchvision's ResNets as PResNet's variant b.
const KeyLayout& torchvision_resnet_layout();
/// torchvision's ResNets in DINO's detector: names behind `backbone.0.body.`.
const KeyLayout& torchvision_to_body_layout();
/// timm's resnet18d to resnet101d as PResNet's variant d.
const KeyLayout& timm_resnetd_layout();
/// timm's hgnetv2_b4, b5 and b6 as HGNetv2 L, X and H.
const KeyLayout& timm_hgnetv2_layout();
/// MAE's encoders and timm's plain ViTs as the row ViT at backbone.net. A detector has no class token and no last norm.
const KeyLayout& plain_transformer_layout();

/// torchvision's ResNet-50 and 101 as rtdetr-resnet50 and 101 of Ultralytics. Initial values only: those run SiLU where
/// torchvision runs ReLU.
const KeyLayout& torchvision_to_ultralytics_layout();
/// Official v2 models with HGNetv2 as Ultralytics' rtdetr-l and rtdetr-x, whose norms have another eps.
enum class UltralyticsSize { kL, kX };
const KeyLayout& hgnetv2_to_ultralytics_layout(UltralyticsSize size);

}  // namespace rtdetr
