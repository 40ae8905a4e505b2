#include "data/dataset/class_list.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

using IndexByName = std::unordered_map<std::string, std::int32_t>;

IndexByName index_names(const std::vector<std::string>& names, const std::string& whose, const std::string& place) {
  IndexByName index;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!index.emplace(names[i], static_cast<std::int32_t>(i)).second) {
      throw DataError(place + ": classes cannot be matched by name, because '" + names[i] + "' stands twice in " +
                      whose + "; give every class a name of its own");
    }
  }
  return index;
}

/// Ids for classes that the file lacks: unused ones, so that nothing of the file can be taken for them.
std::vector<std::int64_t> unused_ids(const std::vector<std::int64_t>& used, std::size_t count) {
  std::vector<std::int64_t> sorted = used;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::int64_t> free;
  for (std::int64_t id = std::numeric_limits<std::int64_t>::max(); free.size() < count; --id) {
    if (!std::binary_search(sorted.begin(), sorted.end(), id)) free.push_back(id);
  }
  return free;
}

}  // namespace

std::string ClassList::name_of(std::int64_t category_id) const {
  const auto found = std::find(category_ids.begin(), category_ids.end(), category_id);
  return found == category_ids.end() ? std::to_string(category_id)
                                     : names[static_cast<std::size_t>(found - category_ids.begin())];
}

std::string quoted_names(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) shown.push_back("'" + names[i] + "'");
  if (names.size() > kShown) shown.push_back("and " + std::to_string(names.size() - kShown) + " more");
  return join(shown, ", ");
}

ClassMapping map_classes(const ClassList& file, const std::vector<std::string>& wanted, const std::string& place) {
  ClassMapping mapping;
  mapping.index_of.resize(file.names.size());
  if (file.names == wanted) {
    std::iota(mapping.index_of.begin(), mapping.index_of.end(), 0);
    mapping.classes = file;
    return mapping;
  }
  const IndexByName wanted_index = index_names(wanted, "the wanted classes", place);
  const IndexByName file_index = index_names(file.names, "the data set", place);

  for (std::size_t i = 0; i < file.names.size(); ++i) {
    const auto found = wanted_index.find(file.names[i]);
    mapping.index_of[i] = found == wanted_index.end() ? kUnwantedClass : found->second;
  }

  mapping.classes.names = wanted;
  mapping.classes.category_ids.resize(wanted.size());
  const std::vector<std::int64_t> spare = unused_ids(file.category_ids, wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto found = file_index.find(wanted[i]);
    if (found == file_index.end()) {
      mapping.classes.category_ids[i] = spare[mapping.absent.size()];
      mapping.absent.push_back(wanted[i]);
    } else {
      mapping.classes.category_ids[i] = file.category_ids[static_cast<std::size_t>(found->second)];
    }
  }
  return mapping;
}

}  // namespace rtdetr
