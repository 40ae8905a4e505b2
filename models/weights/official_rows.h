#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/io/yaml_node.h"
#include "models/graph/model_spec.h"
#include "models/weights/weight_reading.h"

/// What the rows of a model with the official keys say, read from the shapes of its weights.
namespace rtdetr {

enum class FrozenNorms {
  kUnknown,  ///< no norm of the file has a counter (PaddlePaddle's have none)
  kFrozen,   ///< those of the encoder have, those of the backbone have not
  kBatch,
};

struct OfficialDecoder {
  std::int64_t classes = 0, width = 0, layers = 0, hidden = 0, levels = 0;
  std::int64_t heads = 8, encoder_heads = 8;
  bool heads_are_known = false;
  std::int64_t points = 0;   ///< of a level
  std::int64_t queries = 0;  ///< 0 = not in the weights
  bool learnt_queries = false;
  bool has_denoising = true;
  bool discrete = false;
};

/// Shapes under the official keys. What is asked for and is not there is refused by name.
class OfficialShapes {
 public:
  OfficialShapes(const ShapeMap& shapes, const std::string& origin) : shapes_(shapes), origin_(origin) {}

  bool has(const std::string& key) const { return shapes_.contains(key); }
  /// Size of a dimension of 1 to 1 million. @throws CheckpointError
  std::int64_t size(const std::string& key, std::size_t dimension) const;
  std::int64_t rows(const std::string& key) const { return size(key, 0); }
  /// How many numbers 0, 1, 2, … follow `prefix` in keys.
  std::int64_t count(const std::string& prefix) const;

  FrozenNorms backbone_norms() const;
  /// @param heads  of its attention, where that is known
  OfficialDecoder decoder(std::optional<std::int64_t> heads) const;

  [[noreturn]] void refuse(const std::string& why) const;

 private:
  std::int64_t points_and_levels(OfficialDecoder& decoder, std::optional<std::int64_t> heads) const;

  const ShapeMap& shapes_;
  const std::string& origin_;
};

struct OfficialNumbers {
  OfficialDecoder decoder;
  FrozenNorms norms = FrozenNorms::kUnknown;
  double norm_eps = 1e-5;
};

/// `base`, a YAML of the same family, with every number that the shapes show.
YamlNode official_yaml(const std::string& base, const OfficialShapes& shapes, const OfficialNumbers& numbers);

/// A model of the zoo with the file's number of classes and queries written into it.
ModelSpec with_numbers(const ModelSpec& zoo, const OfficialDecoder& decoder);

}  // namespace rtdetr
