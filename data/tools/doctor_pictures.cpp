#include "data/tools/doctor_pictures.h"

#include <mutex>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/hash.h"
#include "core/base/parallel.h"
#include "core/image/exif.h"
#include "core/image/picture.h"
#include "core/io/file.h"
#include "data/dataset/dataset_build.h"
#include "data/tools/near_duplicates.h"

namespace rtdetr {
namespace {

/// What looking at one file showed.
struct Look {
  std::string hash;
  std::string unreadable;             ///< why, or empty
  std::string wrong_size;             ///< how, or empty
  std::vector<std::string> warnings;  ///< of the decoder; the picture is whole
  int turned = 1;                     ///< EXIF orientation that nothing shows to be right to ignore
  PictureSketch sketch;
};

Look look_at(const Dataset& dataset, const Dataset::PictureEntry& entry) {
  Look look;
  try {
    const std::vector<std::byte> bytes = read_binary_file(entry.file, kLargestPictureFile);
    Sha256 hash;
    hash.update(bytes);
    look.hash = hash.hex_digest();
    const int orientation = exif_orientation(bytes);
    Picture picture = decode_picture(bytes, entry.file.string(), dataset.limits);
    look.warnings = picture.warnings;
    if (dataset.exif) picture = turn_upright(std::move(picture), orientation);
    look.wrong_size = size_fault(dataset, entry, picture);
    const bool size_tells = dataset.sizes_are_annotated && exif_swaps_sides(orientation);
    if (!dataset.exif && !size_tells) look.turned = orientation;
    look.sketch = sketch_of(picture);
  } catch (const Error& fault) {
    look.unreadable = fault.what();
  }
  return look;
}

std::vector<Look> look_at_all(const NamedDataset& split, const CheckOptions& options) {
  const auto& pictures = split.dataset.pictures;
  std::vector<Look> looks(pictures.size());
  std::mutex mutex;
  std::int64_t done = 0;
  parallel_for(pictures.size(), options.threads, [&](int, std::size_t i) {
    if (pictures[i].readable) looks[i] = look_at(split.dataset, pictures[i]);
    const std::lock_guard lock(mutex);
    ++done;
    if (options.progress) options.progress(split.key, done, static_cast<std::int64_t>(pictures.size()));
  });
  return looks;
}

void report_look(const Look& look, const std::filesystem::path& file, ProblemCollector& problems) {
  if (!look.unreadable.empty()) {
    problems.error("unreadable_picture", "pictures cannot be decoded", [&] { return look.unreadable; });
  }
  for (const std::string& warning : look.warnings) {
    problems.warn("decoder_warning", "pictures are read whole, though the decoder warns: " + warning,
                  [&] { return file.string(); });
  }
  if (!look.wrong_size.empty()) {
    problems.error("wrong_size", "pictures are not of their annotated size, so their boxes may be wrong",
                   [&] { return look.wrong_size; });
  }
  if (look.turned != 1) {
    problems.warn("exif_turned",
                  "pictures say in EXIF that they are stored turned or mirrored; boxes are taken to belong to them as "
                  "they are stored",
                  [&] { return file.string() + ": orientation " + std::to_string(look.turned); });
  }
}

/// A picture by its bytes.
struct Fingerprint {
  std::string hash;
  std::size_t split = 0;
  std::size_t picture = 0;
};

/// "val: images/a.jpg".
std::string name_of(const std::vector<NamedDataset>& splits, std::size_t split, std::size_t picture) {
  const NamedDataset& named = splits[split];
  return (named.key.empty() ? "" : named.key + ": ") + named.dataset.pictures[picture].file.string();
}

/// Later pictures with the bytes of an earlier one, in the order of the data set.
void report_duplicates(const std::vector<Fingerprint>& prints, const std::vector<NamedDataset>& splits,
                       ProblemCollector& problems) {
  const auto name = [&](const Fingerprint& print) { return name_of(splits, print.split, print.picture); };
  std::unordered_map<std::string, const Fingerprint*> first_with;
  for (const Fingerprint& print : prints) {
    const auto [found, is_new] = first_with.emplace(print.hash, &print);
    if (is_new) continue;
    const Fingerprint& first = *found->second;
    const auto place = [&] { return name(print) + " = " + name(first); };
    if (print.split == first.split) {
      problems.warn("duplicate_picture", "pictures have the same bytes as another of their split", place);
    } else {
      problems.warn("duplicate_across_splits",
                    "pictures are in two splits: evaluating on what was trained on flatters the model", place);
    }
  }
}

void report_near_pairs(const std::vector<NearPair>& pairs, const std::vector<NamedDataset>& splits,
                       ProblemCollector& problems) {
  for (const NearPair& pair : pairs) {
    problems.warn("near_duplicate_across_splits",
                  "pictures look like one of another split (at most " + std::to_string(kMostDifferentBits) +
                      " of 63 bits of their hashes differ): evaluating on what was trained on flatters the model",
                  [&] {
                    return name_of(splits, pair.split, pair.picture) + " ~ " +
                           name_of(splits, pair.other_split, pair.other) + " (" + std::to_string(pair.bits) + ")";
                  });
  }
}

}  // namespace

CheckedPictures check_pictures(const std::vector<NamedDataset>& splits, const CheckOptions& options,
                               ProblemCollector& problems) {
  CheckedPictures checked;
  checked.undecodable.assign(splits.size(), 0);
  std::vector<Fingerprint> prints;
  std::vector<std::vector<std::string>> hashes(splits.size());
  std::vector<std::vector<PictureSketch>> sketches(splits.size());
  for (std::size_t s = 0; s < splits.size(); ++s) {
    const std::vector<Look> looks = look_at_all(splits[s], options);
    for (std::size_t i = 0; i < looks.size(); ++i) {
      if (!looks[i].hash.empty()) prints.push_back({looks[i].hash, s, i});
      checked.undecodable[s] += !looks[i].unreadable.empty();
      report_look(looks[i], splits[s].dataset.pictures[i].file, problems);
      hashes[s].push_back(looks[i].hash);
      sketches[s].push_back(looks[i].sketch);
    }
  }
  report_duplicates(prints, splits, problems);
  checked.near_pairs = find_near_pairs(sketches, options.threads);
  std::erase_if(checked.near_pairs, [&](const NearPair& pair) {
    return hashes[pair.split][pair.picture] == hashes[pair.other_split][pair.other];
  });
  report_near_pairs(checked.near_pairs, splits, problems);
  return checked;
}

}  // namespace rtdetr
