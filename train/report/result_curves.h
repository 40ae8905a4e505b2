#pragma once

#include <string>

#include "core/plot/chart.h"
#include "train/run/run_log.h"

/// Columns of results.csv as curves.
namespace rtdetr {

/// The column that curves are drawn over: a run that is validated inside epochs has its points by steps.
std::string place_title(const ResultsTable& table);

/// A column's numbers where there are some: a row without validation leaves no gap. Empty without the columns.
/// @param place  column of x
ChartSeries column_curve(const ResultsTable& table, const std::string& column, const std::string& name,
                         const std::string& place);
/// The same over place_title().
ChartSeries column_curve(const ResultsTable& table, const std::string& column, const std::string& name);

}  // namespace rtdetr
