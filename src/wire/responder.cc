#include "wire/responder.h"

#include <atomic>
#include <memory>

#include "wire/text.h"

namespace mesh::wire {

namespace {

class Responder {
 public:
  Responder(Strand strand, std::move_only_function<void(Response)> deliver)
      : strand_(std::move(strand)), deliver_(std::move(deliver)) {}
  Responder(const Responder&) = delete;
  Responder& operator=(const Responder&) = delete;
  ~Responder() { answer(error_response(500, "the request was given up without an answer")); }

  void answer(Response response) {
    if (is_answered_.exchange(true)) return;
    strand_.post(
        [deliver = std::move(deliver_), response = std::move(response)]() mutable { deliver(std::move(response)); });
  }

 private:
  Strand strand_;
  std::move_only_function<void(Response)> deliver_;
  std::atomic<bool> is_answered_ = false;
};

}  // namespace

Respond make_respond(const Strand& strand, std::move_only_function<void(Response)> deliver) {
  return [responder = std::make_unique<Responder>(strand, std::move(deliver))](Response response) {
    responder->answer(std::move(response));
  };
}

}  // namespace mesh::wire
