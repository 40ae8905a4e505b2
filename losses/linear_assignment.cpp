// Shortest augmenting paths with potentials (Hungarian method as in Jonker & Volgenant 1987, Crouse 2016).
//
// Rows enter one at a time. Each new row looks for the cheapest alternating path to a free column, by Dijkstra's
// algorithm over the reduced costs c(i, j) - u(i) - v(j), which the potentials u, v keep at or above zero and at zero
// on matched pairs. After each path the matching is optimal for the rows so far, so it is optimal at the end.

#include "losses/linear_assignment.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/check.h"

namespace rtdetr {
namespace {

constexpr double kLargestCost = 1e100;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The problem with rows <= columns and ordinary numbers only, row-major.
struct Problem {
  std::vector<double> costs;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

/// Forbidden and wished pairs become costs that outweigh every sum of ordinary ones.
void tame(std::vector<double>& costs, std::int64_t pairs) {
  double largest = 1;
  bool ordinary = true;
  for (const double cost : costs) {
    if (std::abs(cost) <= kLargestCost) {
      largest = std::max(largest, std::abs(cost));
    } else {
      ordinary = false;  // NaN as well
    }
  }
  if (ordinary) return;
  const double outweighs = 4 * largest * static_cast<double>(pairs);
  for (double& cost : costs) {
    if (std::abs(cost) <= kLargestCost) continue;
    cost = cost < 0 ? -outweighs : outweighs;
  }
}

Problem make_problem(std::span<const double> costs, std::int64_t rows, std::int64_t columns) {
  Problem problem{{costs.begin(), costs.end()}, std::min(rows, columns), std::max(rows, columns)};
  if (rows > columns) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t column = 0; column < columns; ++column) {
        problem.costs[column * rows + row] = costs[row * columns + column];
      }
    }
  }
  tame(problem.costs, problem.rows);
  return problem;
}

class Solver {
 public:
  explicit Solver(Problem problem)
      : problem_(std::move(problem)),
        row_potential_(problem_.rows, 0.0),
        column_potential_(problem_.columns, 0.0),
        column_of_row_(problem_.rows, -1),
        row_of_column_(problem_.columns, -1),
        distance_(problem_.columns),
        previous_row_(problem_.columns),
        open_columns_(problem_.columns) {}

  std::vector<std::int64_t> solve() {
    for (std::int64_t row = 0; row < problem_.rows; ++row) augment(row);
    return std::move(column_of_row_);
  }

 private:
  void augment(std::int64_t first_row) {
    std::fill(distance_.begin(), distance_.end(), kInfinity);
    for (std::int64_t i = 0; i < problem_.columns; ++i) open_columns_[i] = i;
    std::int64_t open = problem_.columns;  // open_columns_[open...] are those whose distance is final, latest first
    std::int64_t row = first_row;
    double length = 0;
    std::int64_t column = -1;
    while (row >= 0) {  // ends: each round closes a column, and there are more columns than matched rows
      column = close_nearest(row, length, open);
      length = distance_[column];
      row = row_of_column_[column];
    }
    update_potentials(first_row, length, open);
    flip_path(first_row, column);
  }

  /// Relaxes the open columns through `row`, which lies `length` away, and closes the nearest one.
  std::int64_t close_nearest(std::int64_t row, double length, std::int64_t& open) {
    const double* costs = problem_.costs.data() + row * problem_.columns;
    const double base = length - row_potential_[row];
    std::int64_t nearest = 0;
    double nearest_distance = kInfinity;
    for (std::int64_t i = 0; i < open; ++i) {
      const std::int64_t column = open_columns_[i];
      const double through = base + costs[column] - column_potential_[column];
      if (through < distance_[column]) {
        distance_[column] = through;
        previous_row_[column] = row;
      }
      const bool free_tie = distance_[column] == nearest_distance && row_of_column_[column] < 0;
      if (distance_[column] < nearest_distance || free_tie) {
        nearest_distance = distance_[column];
        nearest = i;
      }
    }
    --open;
    std::swap(open_columns_[nearest], open_columns_[open]);
    return open_columns_[open];
  }

  void update_potentials(std::int64_t first_row, double length, std::int64_t open) {
    row_potential_[first_row] += length;
    for (std::int64_t i = open; i < problem_.columns; ++i) {
      const std::int64_t column = open_columns_[i];
      const double shorter = length - distance_[column];
      column_potential_[column] -= shorter;
      if (row_of_column_[column] >= 0) row_potential_[row_of_column_[column]] += shorter;
    }
  }

  void flip_path(std::int64_t first_row, std::int64_t column) {
    std::int64_t row = -1;
    while (row != first_row) {
      row = previous_row_[column];
      row_of_column_[column] = row;
      std::swap(column, column_of_row_[row]);
    }
  }

  Problem problem_;
  std::vector<double> row_potential_, column_potential_;
  std::vector<std::int64_t> column_of_row_, row_of_column_;
  std::vector<double> distance_;            ///< of each column from the new row
  std::vector<std::int64_t> previous_row_;  ///< through which row the distance was reached
  std::vector<std::int64_t> open_columns_;
};

}  // namespace

std::vector<std::int64_t> assign_rows(std::span<const double> costs, std::int64_t rows, std::int64_t columns) {
  RTDETR_CHECK(rows >= 0 && columns >= 0 && costs.size() == static_cast<std::size_t>(rows * columns),
               "cost matrix of " + std::to_string(costs.size()) + " numbers, want " + std::to_string(rows) + " x " +
                   std::to_string(columns));
  std::vector<std::int64_t> column_of_row = Solver(make_problem(costs, rows, columns)).solve();
  if (rows <= columns) return column_of_row;
  std::vector<std::int64_t> result(rows, -1);  // solved transposed
  for (std::int64_t column = 0; column < columns; ++column) result[column_of_row[column]] = column;
  return result;
}

}  // namespace rtdetr
