#include "train/run/run_checkpoint.h"

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "models/weights/checkpoint.h"

namespace rtdetr {
namespace {

constexpr const char* kFactsKey = "rtdetr.run";
constexpr const char* kIdentityKey = "rtdetr.identity";  // of best-state.safetensors

std::string to_text(const RunFacts& facts) {
  const nlohmann::json document{{"identity", facts.identity},
                                {"train_seconds", facts.train_seconds},
                                {"loss_terms", facts.loss_terms},
                                {"precision", facts.precision},
                                {"fitted", facts.fitted},
                                {"time", facts.time},
                                {"epochs", facts.epochs},
                                {"lifted_time", facts.lifted_time},
                                {"lr_factor", facts.lr_factor},
                                {"settings", facts.settings},
                                {"validated_step", facts.validated_step}};
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);  // a path may be any bytes
}

RunFacts from_text(const std::string& text, const std::filesystem::path& file) {
  try {
    const auto document = nlohmann::json::parse(text);
    const RunFacts older;
    return {.identity = document.at("identity").get<RunIdentity>(),
            .train_seconds = document.at("train_seconds").get<double>(),
            .loss_terms = document.at("loss_terms").get<std::string>(),
            .precision = document.at("precision").get<std::string>(),
            .fitted = document.value("fitted", older.fitted),
            .time = document.value("time", older.time),
            .epochs = document.value("epochs", older.epochs),
            .lifted_time = document.value("lifted_time", older.lifted_time),
            .lr_factor = document.value("lr_factor", older.lr_factor),
            .settings = document.value("settings", older.settings),
            .validated_step = document.value("validated_step", older.validated_step)};
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(file.string() + ": the metadata entry '" + kFactsKey + "' is not what this version writes (" +
                          error.what() + ")");
  }
}

RunFacts facts_among(const FileMetadata& metadata, const std::filesystem::path& file) {
  const auto facts = metadata.find(kFactsKey);
  if (facts == metadata.end()) {
    throw CheckpointError(file.string() + ": holds weights but no training state; start a new run with weights=" +
                          shell_word(file.string()));
  }
  return from_text(facts->second, file);
}

/// A file of a version that did not write whose it is passes, and so does a key that one of two versions does not know.
void require_same_run(const FileMetadata& metadata, const RunIdentity& identity, const std::filesystem::path& file) {
  const auto text = metadata.find(kIdentityKey);
  if (text == metadata.end()) return;
  RunIdentity found;
  try {
    found = nlohmann::json::parse(text->second).get<RunIdentity>();
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(file.string() + ": the metadata entry '" + kIdentityKey + "' is no map of texts (" +
                          error.what() + ")");
  }
  for (const auto& [key, value] : identity) {
    if (found.contains(key) && found[key] != value) {
      throw CheckpointError(file.string() + ": of another run, which has " + key + "=" + found[key] +
                            "; this one has " + value + "; the file is left alone, and not used");
    }
  }
}

}  // namespace

void save_run(const RunFolder& folder, const TensorMap& state, const RunFacts& facts, FileMetadata model_metadata) {
  model_metadata[kFactsKey] = to_text(facts);
  save_tensors(folder.last(), state, model_metadata, {.durable = true, .keep_previous = folder.previous()});
}

void save_best_state(const RunFolder& folder, const TensorMap& trained, const RunIdentity& identity) {
  save_tensors(folder.best_state(), trained, {{kIdentityKey, nlohmann::json(identity).dump()}});
}

TensorMap load_best_state(const RunFolder& folder, const RunIdentity& identity) {
  TensorFile content = load_tensors(folder.best_state());
  require_same_run(content.metadata, identity, folder.best_state());
  return std::move(content.tensors);
}

void check_best_state(const RunFolder& folder, const RunIdentity& identity) {
  require_same_run(SafetensorsReader(folder.best_state()).metadata(), identity, folder.best_state());
}

RunCheckpoint load_run_file(const std::filesystem::path& file) {
  TensorFile content = load_tensors(file);
  return {file, std::move(content.tensors), facts_among(content.metadata, file),
          to_model_info(content.metadata, file).best_confidence};
}

RunFacts read_run_facts(const std::filesystem::path& file) {
  return facts_among(SafetensorsReader(file).metadata(), file);
}

std::uintmax_t bytes_of(const TensorMap& state) {
  std::uintmax_t bytes = 0;
  for (const auto& [name, tensor] : state) bytes += tensor.nbytes();
  return bytes;
}

void require_space(const RunFolder& folder, const TensorMap& state, bool with_best) {
  constexpr std::uintmax_t kMiB = 1 << 20, kAtOnce = 3, kLeast = 2;
  const std::uintmax_t best = with_best && !std::filesystem::exists(folder.best_state()) ? 1 : 0;
  std::uintmax_t missing = kAtOnce + best;
  for (const auto& file : {folder.last(), folder.previous()}) missing -= std::filesystem::exists(file) ? 1 : 0;
  std::error_code error;
  const auto space = std::filesystem::space(folder.path(), error);
  const std::uintmax_t bytes = bytes_of(state);
  if (error || space.available >= missing * bytes) return;
  const std::string text = "the disk of " + folder.path().string() + " has " + std::to_string(space.available / kMiB) +
                           " MiB free; this run's checkpoints need " + std::to_string(missing * bytes / kMiB + 1) +
                           " MiB more";
  if (space.available < std::min(missing, kLeast + best) * bytes)
    throw IoError(text + "; nothing was started; make room, choose another project=, or check_space=false");
  log::warning(text);
}

void set_damaged_aside(const RunFolder& folder) {
  const std::filesystem::path file = folder.last(), aside = file.string() + ".damaged";
  if (!std::filesystem::exists(file)) return;
  try {
    SafetensorsReader(file).verify_payload();
    return;
  } catch (const CheckpointError&) {
    // as a run has found that began with the one before
  }
  std::error_code fault;
  std::filesystem::rename(file, aside, fault);
  if (fault) throw IoError("cannot rename '" + file.string() + "' to '" + aside.string() + "': " + fault.message());
  log::warning(file.string() + ", which is damaged, is now called " + aside.string());
}

std::optional<RunCheckpoint> load_run(const RunFolder& folder) {
  const bool has_last = std::filesystem::exists(folder.last());
  const bool has_previous = std::filesystem::exists(folder.previous());
  if (!has_last && !has_previous) return std::nullopt;
  std::string problem = folder.last().string() + ": not there";
  if (has_last) {
    try {
      return load_run_file(folder.last());
    } catch (const CheckpointError& error) {
      if (!has_previous) throw;
      problem = error.what();
    }
  }
  log::warning(problem);
  RunCheckpoint previous = load_run_file(folder.previous());
  log::warning("continuing from " + folder.previous().string() + ", the one before");
  return previous;
}

void check_identity(const RunIdentity& saved, const RunIdentity& wanted, const std::filesystem::path& file) {
  for (const auto& [key, value] : wanted) {
    const auto found = saved.find(key);
    if (found != saved.end() && found->second == value) continue;
    const std::string before = found == saved.end() ? "not set" : found->second;
    throw ConfigError(key + ": the run in " + file.string() + " has " + before + ", now it is " + value +
                      "; give the same, or start a new run with another name= (weights=" + shell_word(file.string()) +
                      " takes its weights over)");
  }
  for (const auto& [key, value] : saved) {
    if (!wanted.contains(key))
      throw ConfigError(key + ": the run in " + file.string() + " has " + value + ", now it is not set");
  }
}

}  // namespace rtdetr
