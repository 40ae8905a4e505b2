#pragma once

#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "models/graph/model.h"

namespace rtdetr {

/// A model's rows as a table for people, with a line feed after each.
std::string rows_table(std::span<const DetectionModelImpl::Row> rows);
/// The same as a list of objects.
nlohmann::ordered_json rows_json(std::span<const DetectionModelImpl::Row> rows);

}  // namespace rtdetr
