//! Are classes that rise, fall or do neither of different kinds?

use super::{Behaviour, Chance, Permutations, Tested};
use crate::draws::Draw;
use crate::statistics::checks::check;
use crate::statistics::{anova_oneway, manova, mean_and_deviation};
use crate::{EvalError, Features};

/// F's that differ by less than this share are equal: the same classes in another order round differently.
const ROUNDING: f64 = 1e-9;

/// One value or vector a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    classes: Vec<Option<Vec<f64>>>,
}

impl Property {
    /// Takes the vector of each class, `None` where it has none; a property that is one number has vectors of length 1.
    ///
    /// # Errors
    /// [`EvalError::Empty`] without numbers, [`EvalError::Length`] for vectors of different length, [`EvalError::NumberNotFinite`].
    pub fn new(classes: Vec<Option<Vec<f64>>>) -> Result<Property, EvalError> {
        let width = classes.iter().flatten().map(Vec::len).next().unwrap_or(0);
        if width == 0 {
            return Err(EvalError::Empty { what: "the property of every class".to_owned() });
        }
        for class in classes.iter().flatten() {
            if class.len() != width {
                return Err(EvalError::Length {
                    what: "property of a class",
                    expected: width,
                    got: class.len(),
                });
            }
            check("property of a class", class, 1)?;
        }
        Ok(Property { classes })
    }

    /// How many classes there are, with a property or without.
    pub fn classes(&self) -> usize {
        self.classes.len()
    }
}

/// Several properties of the same classes as one, end to end. A class that lacks any has none.
///
/// # Errors
/// [`EvalError::Length`] unless all are of as many classes, [`EvalError::Empty`] where no class has all.
pub fn all_properties(properties: &[Property]) -> Result<Property, EvalError> {
    let expected = properties.first().map_or(0, Property::classes);
    if let Some(odd) = properties.iter().find(|property| property.classes() != expected) {
        return Err(EvalError::Length { what: "classes of a property", expected, got: odd.classes() });
    }
    let joined = |class: usize| {
        let parts: Option<Vec<&Vec<f64>>> =
            properties.iter().map(|property| property.classes[class].as_ref()).collect();
        parts.map(|parts| parts.into_iter().flatten().copied().collect())
    };
    Property::new((0..expected).map(joined).collect())
}

/// Whether a property differs between behaviours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PropertyTest {
    /// ANOVA's F of a property that is one number; of a vector Rao's F for Wilks' lambda.
    pub f: f64,
    /// Its degrees of freedom.
    pub freedom: (f64, f64),
    /// Probability of an F at least as large if behaviours did not differ and all (class, method) pairs were independent and normal.
    pub p_value: f64,
    /// The same without these assumptions, by permuting the properties of classes.
    pub permutation_p: f64,
    /// How many classes were compared.
    pub classes: usize,
    /// How many have no such property and were left out.
    pub left_out: usize,
    /// How many (class, method) pairs rise, fall and do neither.
    pub groups: [usize; 3],
}

/// Whether `property` differs between the classes that rise, fall and do neither (N, table 1). `methods` holds the behaviour of every
/// class under each method: one list asks of one method, several of all (class, method) pairs pooled.
///
/// ```text
/// one number:  F = [SSB / (g - 1)] / [SSW / (n - g)]            (one-way analysis of variance)
/// a vector:    Wilks' lambda = det E / det (E + H), Rao's F     (multivariate analysis of variance)
/// ```
///
/// N does not say which was used for which property, nor whether methods were pooled. Numbers are standardised first, which changes
/// neither F. Pooled, each class stands in several pairs with one and the same property: the pairs are not independent, and the p-value of
/// F is too small. `permutation_p` is not: whole classes exchange their properties and keep their behaviours under all
/// methods, and it is the share of draws with an F at least as large, the observed one included.
///
/// Not tested: fewer than two groups of two different classes, or a combination of numbers that does not vary within groups.
///
/// # Errors
/// [`EvalError::Length`] unless every list has a behaviour for each class, [`EvalError::Empty`] without lists, settings outside their
/// range.
pub fn property_vs_behaviour(
    property: &Property,
    methods: &[Vec<Behaviour>],
    permutations: &Permutations,
) -> Result<Tested<PropertyTest>, EvalError> {
    permutations.check()?;
    check_methods(methods, property.classes())?;
    let kept: Vec<usize> =
        (0..property.classes()).filter(|&class| property.classes[class].is_some()).collect();
    let groups: Vec<usize> =
        methods.iter().flat_map(|method| kept.iter().map(|&class| method[class] as usize)).collect();
    if groups_of_two(&groups, kept.len()) < 2 {
        let reason = "fewer than two behaviours have two classes or more".to_owned();
        return Ok(Tested::NotTested(reason));
    }
    let rows = standardised(property.classes.iter().flatten());
    let plain: Vec<usize> = (0..kept.len()).collect();
    let (f, freedom, p_value) = match Tested::of(f_test(&rows, &plain, &groups))? {
        Tested::Tested(found) => found,
        Tested::NotTested(reason) => return Ok(Tested::NotTested(reason)),
    };
    // Where no F can be had the classes differ as much as can be: the draw counts against the property.
    let draws = permutations.draws(Draw::Properties, |stream| {
        f_test(&rows, &stream.permutation(kept.len()), &groups).map_or(f64::INFINITY, |(f, ..)| f)
    });
    let chance = Chance::of(f * (1.0 - ROUNDING), draws, permutations.level);
    let size = |behaviour: Behaviour| groups.iter().filter(|&&group| group == behaviour as usize).count();
    Ok(Tested::Tested(PropertyTest {
        f,
        freedom,
        p_value,
        permutation_p: chance.p_value,
        classes: kept.len(),
        left_out: property.classes() - kept.len(),
        groups: Behaviour::ALL.map(size),
    }))
}

fn check_methods(methods: &[Vec<Behaviour>], expected: usize) -> Result<(), EvalError> {
    if methods.is_empty() {
        return Err(EvalError::Empty { what: "the list of methods".to_owned() });
    }
    match methods.iter().map(Vec::len).find(|&got| got != expected) {
        Some(got) => Err(EvalError::Length { what: "behaviours of a method", expected, got }),
        None => Ok(()),
    }
}

/// How many groups have at least two different classes, where the groups of `classes` classes follow each other.
fn groups_of_two(groups: &[usize], classes: usize) -> usize {
    let members = |behaviour: &Behaviour| {
        let is_member = |class: &usize| {
            groups.iter().skip(*class).step_by(classes.max(1)).any(|group| *group == *behaviour as usize)
        };
        (0..classes).filter(is_member).count()
    };
    Behaviour::ALL.iter().filter(|behaviour| members(behaviour) >= 2).count()
}

/// Every column less its mean, over its deviation where it has one.
fn standardised<'a>(classes: impl Iterator<Item = &'a Vec<f64>>) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = classes.cloned().collect();
    for column in 0..rows.first().map_or(0, Vec::len) {
        let values: Vec<f64> = rows.iter().map(|row| row[column]).collect();
        if let Ok((mean, deviation)) = mean_and_deviation("property", &values) {
            let scale = if deviation > 0.0 { deviation } else { 1.0 };
            rows.iter_mut().for_each(|row| row[column] = (row[column] - mean) / scale);
        }
    }
    rows
}

/// F, its degrees of freedom and p-value, when the classes have the properties `rows` in this `order`.
fn f_test(rows: &[Vec<f64>], order: &[usize], groups: &[usize]) -> Result<(f64, (f64, f64), f64), EvalError> {
    let of_pairs = order.iter().cycle().take(groups.len());
    let width = rows[0].len();
    if width == 1 {
        let values: Vec<f64> = of_pairs.map(|&class| rows[class][0]).collect();
        let found = anova_oneway(&values, groups)?;
        return Ok((found.f, found.freedom, found.p_value));
    }
    let values = of_pairs.flat_map(|&class| &rows[class]).map(|&value| value as f32).collect();
    let wilks = manova(&Features::new(groups.len(), width, values)?, groups)?.wilks;
    Ok((wilks.f, wilks.freedom, wilks.p_value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{classes_of, doubles, features_of};
    use proptest::prelude::*;
    use rayon::prelude::*;
    use twinlens_random::{Purpose, Stream};

    fn permutations(count: usize, seed: u64) -> Permutations {
        Permutations { count, seed, ..Permutations::default() }
    }

    fn scalar(values: &[f64]) -> Property {
        Property::new(values.iter().map(|&value| Some(vec![value])).collect()).unwrap()
    }

    fn tested(property: &Property, methods: &[Vec<Behaviour>]) -> PropertyTest {
        let found = property_vs_behaviour(property, methods, &permutations(200, 1)).unwrap();
        *found.tested().unwrap_or_else(|| panic!("{found:?}"))
    }

    /// The references of both analyses, with their groups as behaviours (those of at most three groups).
    #[test]
    fn golden_anova_and_manova_by_behaviour() {
        let mut seen = [0, 0];
        for case in twinlens_golden::cases("metrics/anova_oneway") {
            if case.count("num_groups") <= 3 {
                let groups = classes_of(&case, "in.groups").into_iter().map(|group| Behaviour::ALL[group]);
                let found = tested(&scalar(&doubles(&case, "in.values")), &[groups.collect()]);
                case.check("out.f", &[found.f]);
                case.check("out.p_value", &[found.p_value]);
                seen[0] += 1;
            }
        }
        for case in twinlens_golden::cases("metrics/manova") {
            let groups = classes_of(&case, "in.groups").into_iter().map(|group| Behaviour::ALL[group]);
            let rows = features_of(&case, "in.y");
            let rows = rows.iter().map(|row| Some(row.iter().map(|&value| value.into()).collect()));
            let found = tested(&Property::new(rows.collect()).unwrap(), &[groups.collect()]);
            case.check("out.wilks_f", &[found.f]);
            case.check("out.wilks_num_df", &[found.freedom.0]);
            case.check("out.wilks_den_df", &[found.freedom.1]);
            case.check("out.wilks_p", &[found.p_value]);
            seen[1] += 1;
        }
        assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    }

    fn behaviours(stream: &mut Stream, classes: usize) -> Vec<Behaviour> {
        (0..classes).map(|_| Behaviour::ALL[stream.below(3)]).collect()
    }

    /// Pooled over five methods that treat each class alike, a property of chance is "found" by F in most worlds, and by permutation in
    /// one of twenty.
    #[test]
    fn pooling_is_honest_by_permutation_alone() {
        let world = |world: u64| {
            let mut stream = Stream::new(world, Purpose::Evaluation, [81, 0, 0]);
            let methods = vec![behaviours(&mut stream, 30); 5];
            let values: Vec<f64> = (0..30).map(|_| stream.normal()).collect();
            let found = property_vs_behaviour(&scalar(&values), &methods, &permutations(199, world)).unwrap();
            let found = found.tested().unwrap();
            (found.p_value <= 0.05, found.permutation_p <= 0.05)
        };
        let worlds: Vec<(bool, bool)> = (0..600).into_par_iter().map(world).collect();
        let by_f = worlds.iter().filter(|world| world.0).count();
        let by_permutation = worlds.iter().filter(|world| world.1).count();
        println!("pooled: F {by_f}, permutation {by_permutation} of 600");
        assert!((15..=48).contains(&by_permutation), "{by_permutation} of 600 by permutation");
        assert!(by_f > 200, "{by_f} of 600 by F");
    }

    #[test]
    fn a_property_that_differs_is_found_alone_and_among_others() {
        let mut stream = Stream::new(3, Purpose::Evaluation, [82, 0, 0]);
        let method = behaviours(&mut stream, 60);
        let signal: Vec<f64> =
            method.iter().map(|behaviour| *behaviour as usize as f64 + stream.normal()).collect();
        let noise: Vec<f64> = (0..60).map(|_| stream.normal()).collect();
        let both = all_properties(&[scalar(&signal), scalar(&noise)]).unwrap();
        for property in [scalar(&signal), both] {
            let found = tested(&property, std::slice::from_ref(&method));
            assert!(found.p_value < 0.01 && found.permutation_p < 0.01, "{found:?}");
            assert_eq!((found.classes, found.left_out, found.groups.iter().sum::<usize>()), (60, 0, 60));
        }
        assert!(tested(&scalar(&noise), &[method]).permutation_p > 0.05);
    }

    #[test]
    fn classes_without_the_property_are_left_out_and_too_few_are_not_tested() {
        use Behaviour::{Falling, Random, Rising};
        let method = vec![Rising, Rising, Falling, Falling, Random, Rising];
        let mut values: Vec<Option<Vec<f64>>> = [0.1, 0.2, 0.8, 0.9, 0.5, 0.3].map(|v| Some(vec![v])).into();
        values[4] = None;
        let property = Property::new(values.clone()).unwrap();
        let found = tested(&property, std::slice::from_ref(&method));
        assert_eq!((found.classes, found.left_out, found.groups), (5, 1, [3, 2, 0]));
        values[2] = None;
        let reason = |property: &Property, methods: &[Vec<Behaviour>]| {
            let found = property_vs_behaviour(property, methods, &permutations(100, 0)).unwrap();
            found.reason().unwrap_or_else(|| panic!("{found:?}")).to_owned()
        };
        let few = Property::new(values).unwrap();
        // One class that falls under two methods is still one class.
        for methods in [&[method.clone()][..], &[method.clone(), method.clone()]] {
            assert_eq!(reason(&few, methods), "fewer than two behaviours have two classes or more");
        }
        assert!(reason(&scalar(&[0.4; 6]), std::slice::from_ref(&method)).contains("all values are equal"));
        let wide = Property::new(vec![Some(vec![0.0; 9]); 6]).unwrap();
        assert!(reason(&wide, std::slice::from_ref(&method)).contains("at least"));
        let refused = |property: &Property, methods: &[Vec<Behaviour>]| {
            property_vs_behaviour(property, methods, &permutations(100, 0)).unwrap_err().to_string()
        };
        assert_eq!(refused(&property, &[]), "the list of methods is empty");
        assert!(refused(&property, &[vec![Rising; 5]]).contains("expected 6, got 5"));
        assert!(Property::new(vec![Some(vec![1.0]), Some(vec![1.0, 2.0])]).is_err());
        assert!(Property::new(vec![None, None]).is_err());
        assert!(all_properties(&[scalar(&[1.0]), scalar(&[1.0, 2.0])]).is_err());
    }

    proptest! {
        #[test]
        fn scales_change_nothing_and_neither_does_the_order_of_classes(
            seed: u64, scale in 0.1f64..9.0, width in 1usize..4
        ) {
            let mut stream = Stream::new(seed, Purpose::Evaluation, [83, 0, 0]);
            let method: Vec<Behaviour> = (0..24).map(|class| Behaviour::ALL[class % 3]).collect();
            let rows: Vec<Vec<f64>> = (0..24).map(|_| (0..width).map(|_| stream.normal()).collect()).collect();
            let order = stream.permutation(24);
            let of = |rows: Vec<Vec<f64>>| Property::new(rows.into_iter().map(Some).collect()).unwrap();
            let plain = tested(&of(rows.clone()), std::slice::from_ref(&method));
            let scaled = rows.iter().map(|row| row.iter().map(|v| 5.0 - scale * v).collect()).collect();
            let scaled = tested(&of(scaled), std::slice::from_ref(&method));
            let moved = order.iter().map(|&class| rows[class].clone()).collect();
            let moved = tested(&of(moved), &[order.iter().map(|&class| method[class]).collect()]);
            for other in [scaled, moved] {
                prop_assert!((plain.f - other.f).abs() < 1e-4 * (1.0 + plain.f), "{:?} {:?}", plain, other);
            }
            prop_assert!(plain.permutation_p > 0.0 && plain.permutation_p <= 1.0);
        }
    }
}
