// Hadamard matrices whose size is not a power of two.
//
// Paley: with χ the quadratic character of the field of q elements and
// Q[a][b] = χ(a − b),
//   q ≡ 3 mod 4:  1 + S of size q + 1,   S = [0 1; −1 Q], skew;
//   q ≡ 1 mod 4:  S ⊗ [1 1; 1 −1] + 1 ⊗ [1 −1; −1 −1] of size 2(q + 1),   S = [0 1; 1 Q].
// Goethals–Seidel: four circulants A, B, C, D of odd order m with
// AAᵀ + BBᵀ + CCᵀ + DDᵀ = 4m·1 give size 4m.
#include "fingpt/Compress/Rotation.h"

#include <array>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

/// The field of p^e elements, e ≤ 3; an element is a number in base p, its digits the
/// coefficients of a polynomial modulo x^e − lower(x).
class Field {
public:
  /// Nothing if q is no prime power of exponent 1 to 3.
  static std::optional<Field> make(int64_t q) {
    for (int64_t p = 2; p <= q; ++p) {
      if (q % p != 0)
        continue;
      int exponent = 0;
      int64_t rest = q;
      for (; rest % p == 0; rest /= p)
        ++exponent;
      if (rest != 1 || exponent > 3)
        return std::nullopt;
      return Field(p, exponent, q);
    }
    return std::nullopt;
  }

  /// character[x]: 0 at 0, 1 for squares, −1 for the rest.
  std::vector<int> quadraticCharacter() const {
    std::vector<int> character(static_cast<size_t>(q), -1);
    character[0] = 0;
    for (int64_t x = 1; x < q; ++x)
      character[static_cast<size_t>(multiply(x, x))] = 1;
    return character;
  }
  int64_t subtract(int64_t a, int64_t b) const {
    int64_t out = 0;
    for (int64_t k = 0, unit = 1; k < e; ++k, unit *= p, a /= p, b /= p)
      out += (a % p - b % p + p) % p * unit;
    return out;
  }

private:
  Field(int64_t p, int e, int64_t q) : p(p), e(e), q(q) {
    if (e == 1)
      return;
    // Of degree 2 or 3, irreducible means without a root.
    for (lower = 1; lower < q; ++lower) {
      bool root = false;
      for (int64_t x = 0; x < p && !root; ++x) {
        int64_t power = 1, value = 0;
        for (int64_t k = 0, digits = lower; k < e; ++k, digits /= p, power = power * x % p)
          value += digits % p * power;
        root = (power - value % p + p) % p == 0;
      }
      if (!root)
        return;
    }
  }

  int64_t multiply(int64_t a, int64_t b) const {
    std::array<int64_t, 5> product{}; // degree 4 at most
    for (int64_t i = 0, x = a; i < e; ++i, x /= p)
      for (int64_t j = 0, y = b; j < e; ++j, y /= p)
        product[static_cast<size_t>(i + j)] += x % p * (y % p);
    for (int64_t d = 2 * e - 2; d >= e; --d) { // x^d = x^(d−e)·lower(x)
      int64_t high = product[static_cast<size_t>(d)] % p;
      for (int64_t k = 0, digits = lower; k < e; ++k, digits /= p)
        product[static_cast<size_t>(d - e + k)] += high * (digits % p);
    }
    int64_t out = 0;
    for (int64_t k = e; k-- > 0;)
      out = out * p + product[static_cast<size_t>(k)] % p;
    return out;
  }

  int64_t p;
  int e;
  int64_t q;
  int64_t lower = 0;
};

/// [0 1; ±1 Q] of size q + 1.
Matrix<double> borderedCharacter(const Field &field, int64_t q, double left) {
  std::vector<int> character = field.quadraticCharacter();
  Matrix<double> s(q + 1, q + 1);
  for (int64_t i = 0; i < q; ++i) {
    s(0, i + 1) = 1;
    s(i + 1, 0) = left;
    for (int64_t j = 0; j < q; ++j)
      s(i + 1, j + 1) = character[static_cast<size_t>(field.subtract(i, j))];
  }
  return s;
}

std::optional<Matrix<double>> paley(int64_t size) {
  if (int64_t q = size - 1; q % 4 == 3)
    if (auto field = Field::make(q)) {
      Matrix<double> h = borderedCharacter(*field, q, -1);
      for (int64_t i = 0; i < size; ++i)
        h(i, i) += 1;
      return h;
    }
  int64_t q = size / 2 - 1;
  if (size % 2 != 0 || q % 4 != 1)
    return std::nullopt;
  auto field = Field::make(q);
  if (!field)
    return std::nullopt;
  Matrix<double> s = borderedCharacter(*field, q, 1), h(size, size);
  for (int64_t i = 0; i <= q; ++i)
    for (int64_t j = 0; j <= q; ++j) {
      double one = i == j ? 1 : 0;
      h(2 * i, 2 * j) = s(i, j) + one;
      h(2 * i, 2 * j + 1) = s(i, j) - one;
      h(2 * i + 1, 2 * j) = s(i, j) - one;
      h(2 * i + 1, 2 * j + 1) = -s(i, j) - one;
    }
  return h;
}

/// First rows of the four circulants, found by computer search.
struct Quadruple {
  int64_t order;
  const char *rows[4];
};
constexpr Quadruple Quadruples[] = {
    {39,
     {"+---+-+-+-++-+-+--+-++--+++------+-----", "++-+---+++-+----++--+-++--++------+--++",
      "++-++-+-++++---++-+++-+--++++--+-------", "+-++++---++-+++--+-+---+-+-++++++--++-+"}},
    // Williamson's: symmetric about position 0.
    {43,
     {"++-++-++-+-+---+--++++++++--+---+-+-++-++-+", "+-+-+----+-++-++---++--++---++-++-+----+-+-",
      "+++---++-++++-+-++--+--+--++-+-++++-++---++",
      "+++-+++++---++++---+----+---++++---+++++-++"}},
};

/// [A BR CR DR; −BR A DᵀR −CᵀR; −CR −DᵀR A BᵀR; −DR CᵀR −BᵀR A], R the reversal.
Matrix<double> goethalsSeidel(const Quadruple &quadruple) {
  int64_t m = quadruple.order;
  auto entry = [&](int which, int64_t i, int64_t j) {
    return quadruple.rows[which][(j - i + m) % m] == '+' ? 1.0 : -1.0;
  };
  // Per block: which circulant, sign, transposed.
  struct Block {
    int which;
    int sign;
    bool transposed;
  };
  constexpr Block Blocks[4][4] = {
      {{0, 1, false}, {1, 1, false}, {2, 1, false}, {3, 1, false}},
      {{1, -1, false}, {0, 1, false}, {3, 1, true}, {2, -1, true}},
      {{2, -1, false}, {3, -1, true}, {0, 1, false}, {1, 1, true}},
      {{3, -1, false}, {2, 1, true}, {1, -1, true}, {0, 1, false}},
  };
  Matrix<double> h(4 * m, 4 * m);
  for (int64_t r = 0; r < 4; ++r)
    for (int64_t c = 0; c < 4; ++c) {
      const Block &block = Blocks[r][c];
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < m; ++j) {
          int64_t column = block.which == 0 ? j : m - 1 - j;
          double value =
              block.transposed ? entry(block.which, column, i) : entry(block.which, i, column);
          h(r * m + i, c * m + j) = block.sign * value;
        }
    }
  return h;
}

} // namespace

std::optional<Matrix<double>> compress::hadamardMatrix(int64_t size) {
  if (size == 1 || size == 2) {
    Matrix<double> h(size, size);
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j)
        h(i, j) = i == 1 && j == 1 ? -1 : 1;
    return h;
  }
  if (size < 4 || size % 4 != 0)
    return std::nullopt;
  for (const Quadruple &quadruple : Quadruples)
    if (4 * quadruple.order == size)
      return goethalsSeidel(quadruple);
  if (auto h = paley(size))
    return h;
  auto half = hadamardMatrix(size / 2); // [H H; H −H]
  if (!half)
    return std::nullopt;
  Matrix<double> h(size, size);
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j)
      h(i, j) = (*half)(i % (size / 2), j % (size / 2)) * (2 * i >= size && 2 * j >= size ? -1 : 1);
  return h;
}
