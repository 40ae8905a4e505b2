#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/sample.h"
#include "data/transforms.h"

namespace rtdetr {

struct LoaderOptions {
  std::int64_t batch_size = 16;
  int threads = 2;                   ///< 0 = in the caller's thread; the batches are the same for any number
  int prefetch = 2;                  ///< finished batches waiting at most
  std::uint64_t seed = 0;
  bool shuffle = true;
  bool drop_last = true;
  double max_bad = 0.001;            ///< share of unreadable pictures above which the run stops
};

/// Batches of a data set, in an order and with pixels that depend on (seed, epoch, position) alone: not on threads,
/// prefetch or what came before. A picture that cannot be read is named once, counted, and replaced by another chosen
/// by (seed, epoch, index).
class Loader {
 public:
  Loader(const Dataset& dataset, TransformOptions transforms, LoaderOptions options);
  ~Loader();

  std::int64_t batches_per_epoch() const;
  /// Starts epoch `epoch` at batch `first_batch`; whatever was under way is dropped.
  void start(std::int64_t epoch, std::int64_t first_batch = 0);
  /// Next batch, or nullopt at the epoch's end. @throws DataError from a worker, with the file's name
  std::optional<Batch> next();
  /// Seconds the last next() waited.
  double last_wait() const;
  std::int64_t bad_pictures() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rtdetr
