#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/graph/arguments.h"
#include "models/graph/build_options.h"
#include "models/graph/head.h"
#include "models/layers/block.h"

/// The table of modules that a model YAML may name. A block is one .h/.cpp pair whose `register_…` function adds its
/// entry: name, arguments, channel rule, builder; `registry.cpp` lists those functions. Nothing else knows a block.
namespace rtdetr {

/// What flows between two rows.
struct FeatureMap {
  std::int64_t channels = 0;
  std::int64_t stride = 1;  ///< input pixels per cell
};

/// One row as its rule and its builder see it: everything resolved and checked.
struct RowContext {
  std::vector<FeatureMap> inputs;  ///< of the rows in `from`, in that order
  Arguments args;                  ///< output channels already scaled by the model's width where the block says so
  std::int64_t repeats = 1;        ///< after depth scaling; > 1 only for Repeats::kInner
  std::int64_t num_classes = 0;
  double norm_eps = 1e-3, norm_momentum = 0.03;  ///< of every BatchNorm
  std::string activation = "silu";               ///< what `act: True` means

  const FeatureMap& input() const { return inputs.front(); }
};

/// What a row with `repeats` n > 1 is: n equal blocks in sequence (keys `<path>.<k>.…`), or one block that is told n.
enum class Repeats { kSequence, kInner };

struct BlockEntry {
  std::string name;     ///< as rows write it
  std::string summary;  ///< one line for `rtdetr help models` and the docs
  std::vector<ArgumentSpec> arguments;
  bool many_inputs = false;  ///< `from` may be a list
  Repeats repeats = Repeats::kSequence;
  /// Argument that is the number of output channels and scales with the model's width: ceil(min(c, max) · w / 8) · 8.
  std::string width_scaled;
  /// The map that comes out. Refuses impossible input by `refuse("…what was expected…")`. Not used by heads.
  std::function<FeatureMap(const RowContext&)> output;
  std::function<BlockPtr(const RowContext&)> build;      ///< of a block, or
  std::function<HeadPtr(const RowContext&)> build_head;  ///< of a head: may only be the last row
  /// Checks of a head before it is built (called instead of `output`); may be empty.
  std::function<void(const RowContext&)> check_head;
  /// Arguments of a head into which overrides of the command line are written; empty: it has no such.
  struct Overridden {
    std::string queries;     ///< by num_queries=
    std::string depth;       ///< by decoder_layers=
    std::string last_layer;  ///< index of the last layer that runs outside training: -1, the last, with another depth
  } overridden;
};

/// Says that a row cannot be: caught by the parser, which puts file:line and the row in front.
[[noreturn]] void refuse(const std::string& what_was_expected);
/// For check_head: the row's argument `nc` is the model's number of classes.
void check_class_count(const RowContext& row);

class Registry {
 public:
  /// @throws InternalError  if the name is taken
  void add(BlockEntry entry);
  const BlockEntry* find(const std::string& name) const;
  std::vector<std::string> names() const;
  std::vector<std::string> head_names() const;

 private:
  std::map<std::string, BlockEntry> entries_;
};

/// The one table, filled at first use.
const Registry& registry();

/// Adds a block or head of the calling program to the table, before the first model that names it is read; not while
/// other threads read models. @throws InternalError  if the name is taken
void add_to_registry(BlockEntry entry);

}  // namespace rtdetr
