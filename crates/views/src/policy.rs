//! Policies: which operations make which view, checked against the data and compiled.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinlens_data::{Image, PixelType, Pixels};
use twinlens_random::{Purpose, Stream};

use crate::canvas::{Canvas, Shape, Workspace};
use crate::error::{ViewProblem, ViewsError};
use crate::eval_resize::EvalResize;
use crate::form::{Form, ViewData};
use crate::operation::{BuildContext, Check, Transform};
use crate::ops::{CenterCrop, Drawn, Normalize, OperationSetting, Resize, check_normalization};
use crate::sample::{Sample, each_sample};

/// The operations that make one view, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewPolicy {
    /// How many views are drawn this way.
    #[serde(default = "one")]
    pub count: usize,
    /// The operations, first to last. Normalisation follows by itself.
    pub operations: Vec<OperationSetting>,
}

fn one() -> usize {
    1
}

impl ViewPolicy {
    /// Only the operations called `name`, on images resized and cropped to the view's size before and after: what they do
    /// by themselves. Those that decide the view's size, such as crops, see the image as it is.
    pub fn only(&self, name: &str, context: &BuildContext) -> ViewPolicy {
        let named = || self.operations.iter().filter(|operation| operation.name() == name);
        let size = Some(self.size(context));
        let fit = [
            OperationSetting::Resize(Resize { size, ..Resize::default() }),
            OperationSetting::CenterCrop(CenterCrop { size, ..CenterCrop::default() }),
        ];
        let decides = named().any(|operation| operation.output_size(context).is_some());
        let before: &[OperationSetting] = if decides { &[] } else { &fit };
        let operations = before.iter().chain(named()).chain(&fit).cloned().collect();
        ViewPolicy { count: self.count, operations }
    }

    /// Rows and columns of the view.
    fn size(&self, context: &BuildContext) -> usize {
        let sizes = self.operations.iter().rev().find_map(|operation| operation.output_size(context));
        sizes.unwrap_or(context.size)
    }
}

/// Where a view belongs: together with the view's number it determines every draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawKey {
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u32,
    /// The sample's number in its source.
    pub sample: u32,
}

/// What was drawn for one view.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The view's number, from 0.
    pub view: usize,
    /// Its operations, first to last.
    pub operations: Vec<Step>,
}

/// One operation of a view.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The operation's name.
    pub op: &'static str,
    /// The drawn parameters; nothing if chance left the operation out.
    pub drawn: Option<Drawn>,
}

/// View policies ready to use on images of one kind.
#[derive(Clone, Debug)]
pub struct Policy {
    views: Vec<View>,
    context: BuildContext,
    normalize: Normalize,
}

#[derive(Clone, Debug)]
struct View {
    operations: Vec<OperationSetting>,
    size: usize,
}

/// Views and operations are numbered with 16 bits each.
const LIMIT: usize = 1 << 16;

impl Policy {
    /// Checks `views` against `context` and compiles them.
    ///
    /// # Errors
    /// [`ViewsError::Settings`] with every setting that cannot be used.
    pub fn build(views: &[ViewPolicy], context: BuildContext) -> Result<Policy, ViewsError> {
        let mut problems = check(views, &context);
        problems.extend(check_normalization(&context));
        if !problems.is_empty() {
            return Err(ViewsError::Settings(problems));
        }
        let normalize = Normalize::new(&context)?;
        let compile = |policy: &ViewPolicy| {
            let view = View { operations: policy.operations.clone(), size: policy.size(&context) };
            std::iter::repeat_n(view, policy.count)
        };
        Ok(Policy { views: views.iter().flat_map(compile).collect(), context, normalize })
    }

    /// What is wrong with `views` whatever the images: on colour images with sides of 224 pixels.
    pub fn problems(views: &[ViewPolicy]) -> Vec<ViewProblem> {
        let (mean, std) = (vec![0.5; 3], vec![0.5; 3]);
        check(views, &BuildContext { size: 224, channels: 3, pixel_type: PixelType::U8, mean, std })
    }

    /// `views` without the operations that only the number of channels in `context` forbids (those of colour, on two or
    /// four channels), and the names of these.
    pub fn fitting(
        views: &[ViewPolicy],
        context: &BuildContext,
    ) -> (Vec<ViewPolicy>, BTreeSet<&'static str>) {
        let rgb = BuildContext { channels: 3, mean: vec![0.5; 3], std: vec![0.5; 3], ..context.clone() };
        let fits = |operation: &OperationSetting, context: &BuildContext| {
            let mut problems = Vec::new();
            operation.check(&mut Check::new(String::new(), context, &mut problems));
            problems.is_empty()
        };
        let mut left_out = BTreeSet::new();
        let mut views = views.to_vec();
        for operations in views.iter_mut().map(|view| &mut view.operations) {
            operations.retain(|operation| {
                let unfit = !fits(operation, context) && fits(operation, &rgb);
                if unfit {
                    left_out.insert(operation.name());
                }
                !unfit
            });
        }
        (views, left_out)
    }

    /// The policy for judging an encoder: one view, resized as `resize` says and the centre cropped to `context.size` where
    /// needed, nothing left to chance.
    ///
    /// # Errors
    /// As [`Policy::build`]; a share of the centre that cannot be.
    pub fn evaluation(context: BuildContext, resize: EvalResize) -> Result<Policy, ViewsError> {
        if let Some(problem) = resize.problem() {
            return Err(ViewsError::Settings(vec![problem]));
        }
        let operations = resize.operations(context.size);
        Policy::build(&[ViewPolicy { count: 1, operations }], context)
    }

    /// Number of views.
    pub fn views(&self) -> usize {
        self.views.len()
    }

    /// The shape of view number `view`, which must be below [`Policy::views`].
    pub fn shape(&self, view: usize) -> Shape {
        let size = self.views[view].size;
        Shape { height: size, width: size, channels: self.context.channels }
    }

    /// What is drawn at `place` for an image of `shape`, view by view.
    pub fn explain(&self, place: DrawKey, shape: Shape) -> Vec<Explanation> {
        (0..self.views()).map(|view| self.explain_view(view, place, shape)).collect()
    }

    /// View number `view` of `image` as an image, not normalised.
    ///
    /// # Errors
    /// When the image is not what the policy was built for.
    pub fn image(
        &self,
        view: usize,
        place: DrawKey,
        image: &Image,
        workspace: &mut Workspace,
    ) -> Result<Image, ViewsError> {
        let shape = self.check_image(image)?;
        each_sample!(&image.pixels, samples => self.draw(view, place, shape, samples, workspace).to_image())
    }

    /// Writes view number `view` of `image`, normalised, to `out` (HWC, [`Policy::shape`] samples).
    ///
    /// # Errors
    /// When the image is not what the policy was built for, or its view has not the shape of the others.
    pub fn write(
        &self,
        view: usize,
        place: DrawKey,
        image: &Image,
        workspace: &mut Workspace,
        out: &mut [f32],
    ) -> Result<(), ViewsError> {
        let shape = self.check_image(image)?;
        each_sample!(&image.pixels, samples => {
            self.finish(view, &self.draw(view, place, shape, samples, workspace), out)?;
        })
    }

    /// Writes view number `view` of an `image` of 8 bits, as it was drawn, to `out`; otherwise as [`Policy::write`].
    ///
    /// # Errors
    /// As [`Policy::write`]; an image of another type.
    pub(crate) fn write_bytes(
        &self,
        view: usize,
        place: DrawKey,
        image: &Image,
        workspace: &mut Workspace,
        out: &mut [u8],
    ) -> Result<(), ViewsError> {
        let shape = self.check_image(image)?;
        let Pixels::U8(samples) = &image.pixels else {
            return Err(ViewsError::Image {
                expected: "samples of 8 bits".into(),
                got: image.pixel_type().to_string(),
            });
        };
        let canvas = self.draw(view, place, shape, samples, workspace);
        self.check_view(view, &canvas)?;
        out.copy_from_slice(canvas.samples());
        Ok(())
    }

    /// Room for `samples` samples of views of the given form.
    pub(crate) fn blank(&self, samples: usize, form: Form) -> ViewData {
        if form == Form::Normalised || self.context.pixel_type != PixelType::U8 {
            return ViewData::Normalised(vec![0.0; samples]);
        }
        let [scale, shift] = self.normalize.per_channel(self.context.channels);
        ViewData::Bytes { bytes: vec![0; samples], scale, shift }
    }

    fn draw<'a, T: Sample>(
        &self,
        view: usize,
        place: DrawKey,
        shape: Shape,
        samples: &'a [T],
        workspace: &'a mut Workspace,
    ) -> Canvas<'a, T> {
        let mut canvas = Canvas::new(shape, samples, workspace);
        for (number, operation) in self.views[view].operations.iter().enumerate() {
            let mut stream = stream(place, view, number);
            if let Some(drawn) = operation.draw(&mut stream, canvas.shape(), &self.context) {
                drawn.apply(&mut canvas);
            }
        }
        canvas
    }

    fn finish<T: Sample>(
        &self,
        view: usize,
        canvas: &Canvas<'_, T>,
        out: &mut [f32],
    ) -> Result<(), ViewsError> {
        self.check_view(view, canvas)?;
        self.normalize.apply(canvas.samples(), out);
        Ok(())
    }

    fn check_view<T: Sample>(&self, view: usize, canvas: &Canvas<'_, T>) -> Result<(), ViewsError> {
        let Shape { height, width, .. } = canvas.shape();
        if canvas.shape() == self.shape(view) {
            return Ok(());
        }
        Err(ViewsError::ViewSize { view, height, width, size: self.views[view].size })
    }

    fn explain_view(&self, view: usize, place: DrawKey, mut shape: Shape) -> Explanation {
        let explain = |(number, operation): (usize, &OperationSetting)| {
            let drawn = operation.draw(&mut stream(place, view, number), shape, &self.context);
            if let Some(drawn) = &drawn {
                shape = drawn.output(shape);
            }
            Step { op: operation.name(), drawn }
        };
        Explanation {
            view,
            operations: self.views[view].operations.iter().enumerate().map(explain).collect(),
        }
    }

    fn check_image(&self, image: &Image) -> Result<Shape, ViewsError> {
        let shape = Shape::check(image)?;
        let BuildContext { channels, pixel_type, .. } = self.context;
        if shape.channels == channels && image.pixel_type() == pixel_type {
            return Ok(shape);
        }
        let describe = |pixel_type, channels| format!("{pixel_type} samples in {channels} channels");
        Err(ViewsError::Image {
            expected: describe(pixel_type, channels),
            got: describe(image.pixel_type(), shape.channels),
        })
    }
}

fn stream(place: DrawKey, view: usize, operation: usize) -> Stream {
    let within = (view as u32) << 16 | operation as u32;
    Stream::new(place.seed, Purpose::View, [place.epoch, place.sample, within])
}

fn check(views: &[ViewPolicy], context: &BuildContext) -> Vec<ViewProblem> {
    let mut problems = Vec::new();
    let total: usize = views.iter().map(|policy| policy.count).fold(0, usize::saturating_add);
    if views.is_empty() || total >= LIMIT {
        let (key, expected) = ("views".to_string(), format!("1 to {} views", LIMIT - 1));
        problems.push(ViewProblem { key, expected, got: total.to_string() });
    }
    for (v, policy) in views.iter().enumerate() {
        let mut check = Check::new(format!("views.{v}"), context, &mut problems);
        check.require(policy.count > 0, "count", "at least 1", policy.count);
        let number = policy.operations.len();
        check.require(number < LIMIT, "operations", format!("fewer than {LIMIT} operations"), number);
        for (i, operation) in policy.operations.iter().enumerate() {
            operation.check(&mut Check::new(format!("views.{v}.operations.{i}"), context, &mut problems));
        }
    }
    problems
}
