#include "models/graph/model_parts.h"

#include <catch2/catch.hpp>

#include "tests/models/tiny_model.h"

namespace rtdetr {
namespace {

/// The head's module under the path of its row, as Ultralytics' graphs have it.
DetectionModel numbered_model() {
  std::string text = test::kTinyModel;
  const std::string path = "}], decoder]";
  text.replace(text.find(path), path.size(), "}]]");
  return build_model(parse_model_spec(text, "tiny.yaml"));
}

}  // namespace

TEST_CASE("entries of a model belong to the part of their row, those of the head to the part of their name") {
  const ModelParts named(*test::tiny_model()), numbered(*numbered_model());
  CHECK(named.of("model.0.conv.weight") == ModelPart::kBackbone);
  CHECK(numbered.of("model.2.norm.bias") == ModelPart::kBackbone);
  const auto of_head = [&](const std::string& name, ModelPart part) {
    INFO(name);
    CHECK(named.of("decoder." + name) == part);
    CHECK(numbered.of("model.3." + name) == part);
    CHECK(numbered.of("decoder." + name) == part);  // of a file with another path
  };
  of_head("input_proj.0.conv.weight", ModelPart::kDecoderInput);
  of_head("decoder.layers.1.norm1.weight", ModelPart::kDecoderLayers);
  of_head("decoder.norm.weight", ModelPart::kDecoderLayers);
  of_head("decoder.lqe_layers.0.reg_conf.layers.0.weight", ModelPart::kScoreHeads);
  of_head("enc_output.0.weight", ModelPart::kQueries);
  of_head("enc_score_head.bias", ModelPart::kScoreHeads);
  of_head("dec_score_head.2.weight", ModelPart::kScoreHeads);
  of_head("enc_bbox_head.layers.0.weight", ModelPart::kBoxHeads);
  of_head("denoising_class_embed.weight", ModelPart::kDenoising);
}

TEST_CASE("the branches of a YOLO's end are its box and score heads") {
  const ModelParts parts(*build_model(parse_model_spec(R"(nc: 3
backbone:
  - [-1, 1, Conv, [16, 3, 8]]
head:
  - [-1, 1, C2f, [16]]
  - [[1], 1, Detect, [nc]]
)",
                                                       "yolo.yaml")));
  CHECK(parts.of("model.0.conv.weight") == ModelPart::kBackbone);
  CHECK(parts.of("model.1.cv2.conv.weight") == ModelPart::kEncoder);
  CHECK(parts.of("model.2.cv2.0.2.bias") == ModelPart::kBoxHeads);
  CHECK(parts.of("model.2.dfl.conv.weight") == ModelPart::kBoxHeads);
  CHECK(parts.of("model.2.cv3.0.2.bias") == ModelPart::kScoreHeads);
}

TEST_CASE("entries of no row belong to the part that official names begin with, or to none") {
  const ModelParts parts(*test::tiny_model());
  CHECK(parts.of("backbone.res_layers.3.blocks.0.branch2a.conv.weight") == ModelPart::kBackbone);
  CHECK(parts.of("encoder.input_proj.0.conv.weight") == ModelPart::kEncoder);
  for (const std::string key : {"criterion.weight", "model.30.conv.weight", "decoder", ""}) {
    INFO(key);
    CHECK(parts.of(key) == ModelPart::kElsewhere);
  }
}

}  // namespace rtdetr
