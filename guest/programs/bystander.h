// Another process that uses the GPU while this one makes it hang.

#ifndef NACRE_GUEST_PROGRAMS_BYSTANDER_H_
#define NACRE_GUEST_PROGRAMS_BYSTANDER_H_

#include <sys/types.h>

namespace nacre::guest {

class Bystander {
 public:
  // What the child process asks after each thing it did: whether to do another.
  class Question {
   public:
    // The first time, tells the parent that the GPU has been used.
    bool GoesOn();

   private:
    friend class Bystander;
    Question(int told, int tell) : told_(told), tell_(tell) {}
    int told_;
    int tell_;
  };

  // Runs `use` in a process of its own, which exits with 0 when it returns, and
  // waits for the first GoesOn. To be made before this process uses the GPU
  // itself: drivers do not survive a fork.
  explicit Bystander(void (*use)(Question question));

  // Lets it end. Fails unless it did everything right.
  void Finish();

 private:
  pid_t child_ = -1;
  int stop_ = -1;
};

}  // namespace nacre::guest

#endif  // NACRE_GUEST_PROGRAMS_BYSTANDER_H_
