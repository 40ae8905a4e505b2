#include "data/loader/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <opencv2/core.hpp>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/image/picture_warnings.h"
#include "data/loader/batch_maker.h"

// Workers take positions of batches in order, so the batch that is asked for next is always the one furthest ahead.
// Each writes its picture straight into the batch. A batch on its way is an entry of a bounded queue: at most
// `prefetch` of them, the oldest handed out when all its positions are filled. What a position becomes depends on its
// number alone (batch_maker.h), so nothing here, neither threads nor timing nor a restart, can change a batch.

namespace rtdetr {
namespace {

void check_options(const LoaderOptions& options, const Dataset& dataset) {
  const auto positive = [](std::int64_t value, const char* name) {
    if (value < 1) throw ConfigError(std::string(name) + ": want at least 1, have " + std::to_string(value));
  };
  positive(options.batch_size, "batch");
  positive(options.prefetch, "prefetch");
  if (options.threads < 0 || options.threads > 1024) {
    throw ConfigError("workers: want 0 to 1024, have " + std::to_string(options.threads));
  }
  RTDETR_CHECK(options.rank >= 0 && options.rank < options.world,
               "loader: no rank " + std::to_string(options.rank) + " in a world of " + std::to_string(options.world));
  if (!(options.max_bad >= 0 && options.max_bad <= 1)) {
    throw ConfigError("max_bad: want a share between 0 and 1, have " + format_double(options.max_bad));
  }
  const auto pictures = static_cast<std::int64_t>(dataset.pictures.size());
  if (pictures == 0) throw DataError(dataset.name + ": no pictures");
  if (options.drop_last && pictures < options.batch_size) {
    throw ConfigError("batch: want at most " + std::to_string(pictures) + ", the number of pictures in " +
                      dataset.name + ", have " + std::to_string(options.batch_size));
  }
}

}  // namespace

struct Loader::State {
  /// A batch in the queue.
  struct Entry {
    BatchDraft draft;
    std::int64_t next_position = 0;  ///< not yet taken by a worker
    std::int64_t unfinished = 0;     ///< not yet filled
  };

  State(const Dataset& data, TransformOptions transform_options, LoaderOptions loader_options, SampleSource source)
      : dataset(data),
        options(loader_options),
        training(transform_options.augment),
        maker(data, std::move(transform_options), loader_options, std::move(source)) {}
  ~State();

  void work();
  Entry* find_work();
  void plan();
  void drop_everything(std::unique_lock<std::mutex>& lock);
  BatchDraft wait_for_batch();
  void report(const BatchDraft& draft);

  const Dataset& dataset;
  const LoaderOptions options;
  const bool training;
  BatchMaker maker;

  // What the caller sees; touched by the caller's thread alone.
  std::int64_t epoch = -1, next_batch = 0;
  double last_wait_s = 0;
  std::set<std::int64_t> bad, odd;
  PictureWarnings warnings;  ///< of the odd ones
  std::string last_bad;

  // Shared, under the mutex. A deque's entries stay where they are while others come and go at its ends.
  std::mutex mutex;
  std::condition_variable work_or_stop, batch_or_idle;
  std::deque<Entry> queue;
  std::int64_t planned_epoch = -1, planned_batch = 0;  ///< the next batch to enter the queue; epoch -1: none
  int busy = 0;                                        ///< workers inside fill() or finish()
  bool stopping = false;
  std::vector<std::thread> threads;
};

Loader::State::~State() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  work_or_stop.notify_all();
  for (std::thread& thread : threads) thread.join();
  try {
    warnings.report();
  } catch (const std::exception&) {  // no memory for a message
  }
}

/// Puts the next batch into the queue; if there is no memory for it, an empty one that says so. With the mutex held.
void Loader::State::plan() {
  Entry& entry = queue.emplace_back();
  try {
    entry.draft = maker.begin(planned_epoch, planned_batch);
  } catch (...) {
    entry.draft = {};
    entry.draft.bad.resize(1);
    entry.draft.odd.resize(1);
    entry.draft.errors.push_back(std::current_exception());
    batch_or_idle.notify_one();
  }
  entry.unfinished = entry.draft.batch.size;
  if (++planned_batch < maker.batches_per_epoch()) return;
  planned_batch = 0;
  planned_epoch = options.shuffle ? planned_epoch + 1 : -1;
}

/// The entry with a position to fill, or nullptr. With the mutex held.
Loader::State::Entry* Loader::State::find_work() {
  for (Entry& entry : queue) {
    if (entry.next_position < entry.draft.batch.size) return &entry;
  }
  while (planned_epoch >= 0 && static_cast<int>(queue.size()) < options.prefetch) {
    plan();
    if (queue.back().unfinished > 0) return &queue.back();
  }
  return nullptr;
}

void Loader::State::work() {
  std::unique_lock lock(mutex);
  while (true) {
    Entry* entry = nullptr;
    work_or_stop.wait(lock, [&] { return stopping || (entry = find_work()) != nullptr; });
    if (stopping) return;
    const std::int64_t position = entry->next_position++;
    ++busy;
    lock.unlock();
    maker.fill(entry->draft, position);
    lock.lock();
    if (entry->unfinished == 1) {  // all others are filled, and this one is
      lock.unlock();
      maker.finish(entry->draft);
      lock.lock();
    }
    --busy;
    --entry->unfinished;
    batch_or_idle.notify_one();
  }
}

/// Empties the queue. Workers finish the picture they are at, since they write into the queue's memory.
void Loader::State::drop_everything(std::unique_lock<std::mutex>& lock) {
  planned_epoch = -1;
  for (Entry& entry : queue) entry.next_position = entry.draft.batch.size;
  batch_or_idle.wait(lock, [&] { return busy == 0; });
  queue.clear();
}

BatchDraft Loader::State::wait_for_batch() {
  if (options.threads == 0) {
    BatchDraft draft = maker.begin(epoch, next_batch);
    for (std::int64_t position = 0; position < draft.batch.size; ++position) maker.fill(draft, position);
    maker.finish(draft);
    return draft;
  }
  std::unique_lock lock(mutex);
  batch_or_idle.wait(lock, [&] { return !queue.empty() && queue.front().unfinished == 0; });
  BatchDraft draft = std::move(queue.front().draft);
  queue.pop_front();
  lock.unlock();
  work_or_stop.notify_all();
  return draft;
}

/// Names, counts and limits what went wrong in a batch, in the order of its positions.
void Loader::State::report(const BatchDraft& draft) {
  const auto count = static_cast<double>(dataset.pictures.size());
  for (std::size_t position = 0; position < draft.bad.size(); ++position) {
    for (const BadPicture& picture : draft.bad[position]) {
      if (!training) throw DataError(picture.reason);
      if (!bad.insert(picture.index).second) continue;
      last_bad = picture.reason;
      log::warning(picture.reason + "; another picture takes its place");
    }
    if (static_cast<double>(bad.size()) > options.max_bad * count) {
      throw DataError(std::to_string(bad.size()) + " of " + std::to_string(dataset.pictures.size()) + " pictures of " +
                      dataset.name + " cannot be read, more than max_bad=" + format_double(options.max_bad) +
                      " allows; the last: " + last_bad);
    }
    if (draft.errors[position]) std::rethrow_exception(draft.errors[position]);
    for (const OddPicture& picture : draft.odd[position]) {
      if (!odd.insert(picture.index).second) continue;
      warnings.add(dataset.pictures[static_cast<std::size_t>(picture.index)].file, picture.warnings);
    }
  }
}

Loader::Loader(const Dataset& dataset, TransformOptions transforms, LoaderOptions options, SampleSource source) {
  check_transform_options(transforms);
  check_options(options, dataset);
  static const bool once = (cv::setNumThreads(1), true);  // the threads are ours
  static_cast<void>(once);
  if (!source) source = [&dataset](std::int64_t index) { return load_sample(dataset, index); };
  state_ = std::make_unique<State>(dataset, std::move(transforms), options, std::move(source));
}

Loader::~Loader() = default;

std::int64_t Loader::batches_per_epoch() const { return state_->maker.batches_per_epoch(); }
double Loader::last_wait() const { return state_->last_wait_s; }

void Loader::start(std::int64_t epoch, std::int64_t first_batch) {
  State& state = *state_;
  RTDETR_CHECK(epoch >= 0 && first_batch >= 0 && first_batch <= batches_per_epoch(),
               "loader: no batch " + std::to_string(first_batch) + " in epoch " + std::to_string(epoch));
  const bool finished = state.epoch >= 0 && state.next_batch == batches_per_epoch();
  const bool continues = state.options.shuffle && finished && epoch == state.epoch + 1 && first_batch == 0;
  state.epoch = epoch;
  state.next_batch = first_batch;
  if (continues || state.options.threads == 0) return;
  {
    std::unique_lock lock(state.mutex);
    state.drop_everything(lock);
    const bool at_end = first_batch == batches_per_epoch();
    if (!at_end || state.options.shuffle) state.planned_epoch = at_end ? epoch + 1 : epoch;
    state.planned_batch = at_end ? 0 : first_batch;
  }
  state.work_or_stop.notify_all();
  try {
    while (static_cast<int>(state.threads.size()) < state.options.threads)
      state.threads.emplace_back([&state] { state.work(); });
  } catch (const std::system_error& fault) {  // fewer do, too
    if (state.threads.empty())
      throw ConfigError(std::string("no thread could be started to read pictures: ") + fault.what() +
                        "; workers=0 needs none");
  }
}

void Loader::set_transforms(TransformOptions transforms) {
  State& state = *state_;
  check_transform_options(transforms);
  RTDETR_CHECK(transforms.augment == state.training, "loader: training and evaluation are loaders of their own");
  state.epoch = -1;
  std::unique_lock lock(state.mutex);
  state.drop_everything(lock);
  state.maker.set_transforms(std::move(transforms));
}

bool Loader::is_ready() const {
  State& state = *state_;
  if (state.epoch < 0 || state.next_batch == batches_per_epoch()) return false;
  const std::lock_guard lock(state.mutex);
  return !state.queue.empty() && state.queue.front().unfinished == 0;
}

std::optional<Batch> Loader::next() {
  State& state = *state_;
  RTDETR_CHECK(state.epoch >= 0, "loader: next() before start()");
  if (state.next_batch == batches_per_epoch()) return std::nullopt;
  const Stopwatch watch;
  BatchDraft draft = state.wait_for_batch();
  state.last_wait_s = watch.seconds();
  ++state.next_batch;
  state.report(draft);
  if (state.next_batch == batches_per_epoch()) state.warnings.report();  // not everybody asks for one more
  return std::move(draft.batch);
}

}  // namespace rtdetr
