// A reference to a callable, for callbacks that do not outlive the call.
#ifndef FINGPT_LIB_TOKENIZER_FUNCTIONREF_H
#define FINGPT_LIB_TOKENIZER_FUNCTIONREF_H

#include <type_traits>
#include <utility>

namespace fingpt::tokenizer {

template <typename F> class FunctionRef;
template <typename R, typename... Args> class FunctionRef<R(Args...)> {
public:
  template <typename F, typename = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
  FunctionRef(F &&f)
      : object(const_cast<void *>(static_cast<const void *>(&f))),
        call([](void *o, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F> *>(o))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call(object, std::forward<Args>(args)...); }

private:
  void *object;
  R (*call)(void *, Args...);
};

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_FUNCTIONREF_H
