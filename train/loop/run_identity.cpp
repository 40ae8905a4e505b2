#include "train/loop/run_identity.h"

#include <span>
#include <string>

#include "core/base/hash.h"
#include "core/io/yaml.h"
#include "train/config/keys.h"

namespace rtdetr {
namespace {

std::string fingerprint(const Dataset& dataset) {
  Sha256 hash;
  for (const std::string& name : dataset.classes.names) hash.update(name + "\n");
  for (const Dataset::PictureEntry& picture : dataset.pictures) {
    hash.update(picture.file.filename().string() + " " + std::to_string(picture.id) + "\n");
  }
  for (const Dataset::BoxEntry& box : dataset.boxes) {
    hash.update(std::as_bytes(std::span(box.xyxy)));
    hash.update(std::as_bytes(std::span(&box.label, 1)));
  }
  return std::to_string(dataset.pictures.size()) + " pictures, " + std::to_string(dataset.boxes.size()) +
         " boxes, sha256 " + hash.hex_digest().substr(0, 16);
}

RunIdentity keys_that_must_match(const Settings& settings) {
  RunIdentity identity;
  const YamlDocument yaml = parse_yaml(settings_to_yaml(settings), "settings");
  for (const auto& [key, value] : yaml.root.entries) {
    if (find_key(key, Command::kTrain)->on_resume == Key::OnResume::kMustMatch) identity[key] = value.to_flow();
  }
  return identity;
}

}  // namespace

RunIdentity identity_of(const Settings& settings, const ModelSpec& spec, const Dataset& train, const ImageSize& size) {
  RunIdentity identity = keys_that_must_match(settings);
  Sha256 hash;
  hash.update(spec.text);
  identity["model"] = spec.name + ", sha256 " + hash.hex_digest().substr(0, 16);
  identity["data"] = fingerprint(train);
  identity["imgsz"] = std::to_string(size.height) + "," + std::to_string(size.width);
  return identity;
}

RunIdentity completed(RunIdentity saved) {
  Settings then;
  then.command = Command::kTrain;
  then.criterion = "official";
  saved.merge(keys_that_must_match(then));
  return saved;
}

}  // namespace rtdetr
