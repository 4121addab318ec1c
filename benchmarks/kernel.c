/* The loop of flowgen_analysis/scoring/distance.py, statement by statement, as a measure of what compiled Python costs. */
#include <stdint.h>

static int32_t min2(int32_t a, int32_t b) { return a < b ? a : b; }
static int32_t max2(int32_t a, int32_t b) { return a > b ? a : b; }

static int32_t distance(const int32_t *codes, const uint32_t *first, const int32_t *cost, const int32_t *change,
                        const uint32_t *roots, uint64_t a, uint64_t a_from, uint64_t a_to, uint64_t b, uint64_t b_from,
                        uint64_t b_to, uint64_t size_b, int32_t *trees, int32_t *forests) {
    int32_t left = 0;
    for (uint64_t p = a_from; p < a_to; p++) {
        uint64_t x = roots[p], first_x = first[a + x], rows = x - first_x + 1;
        for (uint64_t q = b_from; q < b_to; q++) {
            uint64_t y = roots[q], first_y = first[b + y], columns = y - first_y + 1, width = columns + 1;
            forests[0] = 0;
            for (uint64_t j = 0; j < columns; j++) forests[j + 1] = forests[j] + cost[b + first_y + j];
            for (uint64_t i = 0; i < rows; i++) {
                uint64_t node_a = first_x + i, above = i * width, here = above + width, row = node_a * size_b;
                uint64_t first_a = first[a + node_a];
                int32_t code_a = codes[a + node_a], delete = cost[a + node_a], change_a = change[a + node_a];
                left = forests[above] + delete;
                forests[here] = left;
                if (first_a == first_x) {
                    for (uint64_t j = 0; j < columns; j++) {
                        uint64_t node_b = first_y + j;
                        int32_t best = min2(forests[above + j + 1] + delete, left + cost[b + node_b]);
                        if (first[b + node_b] == first_y) {
                            int32_t changed = forests[above + j];
                            if (code_a != codes[b + node_b]) changed += max2(change_a, change[b + node_b]);
                            left = min2(best, changed);
                            trees[row + node_b] = left;
                        } else {
                            left = min2(best, forests[first[b + node_b] - first_y] + trees[row + node_b]);
                        }
                        forests[here + j + 1] = left;
                    }
                } else {
                    uint64_t before = (first_a - first_x) * width;
                    for (uint64_t j = 0; j < columns; j++) {
                        uint64_t node_b = first_y + j;
                        int32_t best = min2(forests[above + j + 1] + delete, left + cost[b + node_b]);
                        int32_t joined = forests[before + first[b + node_b] - first_y] + trees[row + node_b];
                        left = min2(best, joined);
                        forests[here + j + 1] = left;
                    }
                }
            }
        }
    }
    return left;
}

void distances(const int32_t *codes, const uint32_t *first, const int32_t *cost, const int32_t *change,
               const uint64_t *starts, const uint32_t *roots, const uint64_t *root_starts, const int64_t *expected,
               const int64_t *generated, int64_t pairs, int32_t *trees, int32_t *forests, int64_t *found) {
    for (int64_t p = 0; p < pairs; p++) {
        int64_t e = expected[p], g = generated[p];
        found[p] = distance(codes, first, cost, change, roots, starts[e], root_starts[e], root_starts[e + 1], starts[g],
                            root_starts[g], root_starts[g + 1], starts[g + 1] - starts[g], trees, forests);
    }
}
