#include "losses/linear_assignment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include <catch2/catch.hpp>

#include "core/base/error.h"

namespace rtdetr {
namespace {

using Costs = std::vector<double>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double total(const Costs& costs, std::int64_t columns, const std::vector<std::int64_t>& column_of_row) {
  double sum = 0;
  for (std::size_t row = 0; row < column_of_row.size(); ++row) {
    if (column_of_row[row] >= 0) sum += costs[row * columns + column_of_row[row]];
  }
  return sum;
}

/// Tries every assignment.
double least_total(const Costs& costs, std::int64_t rows, std::int64_t columns, std::int64_t row = 0,
                   std::uint32_t taken = 0, std::int64_t pairs = 0) {
  if (row == rows) return pairs == std::min(rows, columns) ? 0 : kInfinity;
  double best = rows > columns ? least_total(costs, rows, columns, row + 1, taken, pairs) : kInfinity;
  for (std::int64_t column = 0; column < columns; ++column) {
    if (taken >> column & 1) continue;
    const double rest = least_total(costs, rows, columns, row + 1, taken | 1u << column, pairs + 1);
    best = std::min(best, costs[row * columns + column] + rest);
  }
  return best;
}

void check_is_assignment(const std::vector<std::int64_t>& column_of_row, std::int64_t rows, std::int64_t columns) {
  REQUIRE(static_cast<std::int64_t>(column_of_row.size()) == rows);
  std::vector<std::int64_t> used;
  for (const std::int64_t column : column_of_row) {
    if (column >= 0) used.push_back(column);
  }
  CHECK(static_cast<std::int64_t>(used.size()) == std::min(rows, columns));
  std::sort(used.begin(), used.end());
  CHECK(std::adjacent_find(used.begin(), used.end()) == used.end());
  CHECK((used.empty() || used.back() < columns));
}

Costs random_costs(std::mt19937& random, std::int64_t count) {
  std::uniform_real_distribution<double> draw(-10, 10);
  Costs costs(count);
  for (double& cost : costs) cost = draw(random);
  return costs;
}

TEST_CASE("the assignment is as cheap as the best of all, for every small shape") {
  std::mt19937 random(1);
  for (std::int64_t rows = 0; rows <= 6; ++rows) {
    for (std::int64_t columns = 0; columns <= 6; ++columns) {
      for (int trial = 0; trial < 20; ++trial) {
        Costs costs = random_costs(random, rows * columns);
        if (trial % 2 == 1) {  // few different values: many ties
          for (double& cost : costs) cost = std::floor(cost / 5);
        }
        const auto column_of_row = assign_rows(costs, rows, columns);
        check_is_assignment(column_of_row, rows, columns);
        CHECK(total(costs, columns, column_of_row) == Approx(least_total(costs, rows, columns)).margin(1e-12));
      }
    }
  }
}

TEST_CASE("all costs equal still gives an assignment") {
  for (const auto& [rows, columns] : {std::pair{5, 5}, {3, 9}, {9, 3}}) {
    check_is_assignment(assign_rows(Costs(rows * columns, 7.0), rows, columns), rows, columns);
  }
}

/// The assignment problem's dual, found by brute relaxation (Bellman-Ford) from the primal solution: potentials with
/// u(i) + v(j) <= c(i, j), equality on the pairs and v = 0 on free columns exist exactly if the solution is optimal.
bool has_no_improving_cycle(const Costs& costs, std::int64_t rows, std::int64_t columns,
                            const std::vector<std::int64_t>& column_of_row) {
  std::vector<double> price(columns, 0.0);  // cost to free a column: least over alternating paths to a free one
  std::vector<bool> is_free(columns, true);
  for (const std::int64_t column : column_of_row) is_free[column] = false;
  for (std::int64_t column = 0; column < columns; ++column) price[column] = is_free[column] ? 0 : 1e4;
  for (std::int64_t round = 0; round <= rows + 1; ++round) {
    bool changed = false;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t own = column_of_row[row];
      for (std::int64_t column = 0; column < columns; ++column) {
        const double through = costs[row * columns + column] - costs[row * columns + own] + price[column];
        if (through < price[own] - 1e-9) {
          price[own] = through;
          changed = true;
        }
      }
    }
    if (!changed) {
      return std::all_of(price.begin(), price.end(), [](double p) { return p >= -1e-9; });
    }
  }
  return false;  // still falling: a cycle that lowers the total
}

TEST_CASE("large assignments cannot be improved by any exchange of columns") {
  std::mt19937 random(2);
  for (const auto& [rows, columns] : {std::pair{40, 300}, {100, 100}, {120, 150}}) {
    Costs costs = random_costs(random, rows * columns);
    auto column_of_row = assign_rows(costs, rows, columns);
    check_is_assignment(column_of_row, rows, columns);
    CHECK(has_no_improving_cycle(costs, rows, columns, column_of_row));
    std::swap(column_of_row[0], column_of_row[1]);
    CHECK_FALSE(has_no_improving_cycle(costs, rows, columns, column_of_row));
  }
}

TEST_CASE("the transposed problem and permuted rows or columns cost the same") {
  std::mt19937 random(3);
  const std::int64_t rows = 23, columns = 60;
  const Costs costs = random_costs(random, rows * columns);
  const double least = total(costs, columns, assign_rows(costs, rows, columns));
  std::vector<std::int64_t> row_order(rows), column_order(columns);
  std::iota(row_order.begin(), row_order.end(), 0);
  std::iota(column_order.begin(), column_order.end(), 0);
  std::shuffle(row_order.begin(), row_order.end(), random);
  std::shuffle(column_order.begin(), column_order.end(), random);
  Costs permuted(costs.size()), transposed(costs.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const double cost = costs[row * columns + column];
      permuted[row_order[row] * columns + column_order[column]] = cost;
      transposed[column * rows + row] = cost;
    }
  }
  const auto of_permuted = assign_rows(permuted, rows, columns);
  CHECK(total(permuted, columns, of_permuted) == Approx(least).epsilon(1e-12));
  const auto of_plain = assign_rows(costs, rows, columns);
  for (std::int64_t row = 0; row < rows; ++row) CHECK(of_permuted[row_order[row]] == column_order[of_plain[row]]);
  CHECK(total(transposed, rows, assign_rows(transposed, columns, rows)) == Approx(least).epsilon(1e-12));
}

TEST_CASE("forbidden pairs are avoided where possible and wished pairs are taken") {
  // Only row 0 may take column 0 and only row 1 column 1.
  const Costs costs{5, kNan, kInfinity, kNan, 9, 1e200, 1, 2, 3};
  CHECK(assign_rows(costs, 3, 3) == std::vector<std::int64_t>{0, 1, 2});
  const Costs wished{1, 2, -kInfinity, 3, 4, 5};
  CHECK(assign_rows(wished, 2, 3)[0] == 2);
}

TEST_CASE("hopeless costs end in an assignment all the same") {
  for (const double cost : {kNan, kInfinity, -kInfinity, 1e308, -1e308}) {
    for (const auto& [rows, columns] : {std::pair{4, 4}, {2, 5}, {5, 2}}) {
      check_is_assignment(assign_rows(Costs(rows * columns, cost), rows, columns), rows, columns);
    }
  }
  std::mt19937 random(4);
  const Costs wild{kNan, 1e308, -1e308, kInfinity, -kInfinity, 0, 1e-308, 1, 1e99};
  for (int trial = 0; trial < 200; ++trial) {
    Costs costs(6 * 7);
    for (double& cost : costs) cost = wild[random() % wild.size()];
    check_is_assignment(assign_rows(costs, 6, 7), 6, 7);
  }
}

TEST_CASE("a matrix without rows or without columns gives no pairs") {
  CHECK(assign_rows({}, 0, 5).empty());
  CHECK(assign_rows({}, 3, 0) == std::vector<std::int64_t>{-1, -1, -1});
  CHECK(assign_rows({}, 0, 0).empty());
}

TEST_CASE("a matrix of the wrong size is refused") {
  const Costs five(5, 1.0);
  CHECK_THROWS_AS(assign_rows(five, 2, 3), InternalError);
  CHECK_THROWS_AS(assign_rows(five, -1, -5), InternalError);
}

}  // namespace
}  // namespace rtdetr
